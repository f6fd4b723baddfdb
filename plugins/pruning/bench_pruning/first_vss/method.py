"""What stands for a pruning method under protocol `seed`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch

from bench_pruning.allocation import Allocation
from bench_pruning.channels.groups import ChannelGroup
from bench_pruning.channels.layers import PRODUCING
from bench_pruning.descriptors.first_vss import AS_CORRECTED, refusal, refusal_of_target
from bench_pruning.first_vss.scores import RawScores, raw_scores
from bench_pruning.first_vss.threshold import Threshold
from bench_pruning.method import SCORES, PruningMethod, Statistics, ratio_from
from harness.registry.method import State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.demand import Demand
    from harness.registry.context import Context
    from harness.spec.setting import Setting

RAW = "raw."
"""Prefix of the convolutions' scores in the state."""


@dataclass(kw_only=True)
class FirstVSS(PruningMethod):
    """Prunes by the raw scores of the first VSS benchmark and one threshold over all of them.

    A group of coupled channels has the scores of its first scored convolution, in the order of the modules. Groups
    without one stay whole, and so do those that are protected or pinned; scores of the latter count for the threshold,
    as they did. Surgery, its checks and what may follow it are those of every method.

    Attributes:
        scores: A key of `bench_pruning.first_vss.scores.SCORES`.
        found: The raw scores, once `prepare` has run.
    """

    seed: ClassVar[str] = AS_CORRECTED

    scores: str
    found: RawScores = field(default_factory=dict)

    @classmethod
    def standing_for(cls, method: PruningMethod, context: Context) -> FirstVSS:
        """Returns what does a method's work.

        Raises:
            UserError: The first VSS benchmark did not have the method, or the ratio is not one of channels.
        """
        if not method.seed:
            raise refusal(type(method).__name__, method.seed_refusal)
        if context.ratio_of != "channels":
            raise refusal_of_target(context.ratio_of)
        return cls(options=method.options, scores=method.seed)

    def prepare(self, model: nn.Module, context: Context) -> State:
        """Returns the channel groups, their scores, and those of all convolutions; see `PruningMethod.prepare`."""
        self.found = raw_scores(self.scores, model, context)
        state = super().prepare(model, context)
        raw = {RAW + path: scores for path, scores in self.found.items()}
        return State(tensors={**state.tensors, **raw}, data=state.data)

    def declines(self, group: BoundGroup) -> str:
        """Returns why a group has no score: none of its layers is a convolution that has one."""
        scored = any(path in self.found for path in group.group.layers)
        return "" if scored else f"protocol seed scores no convolution of it by {self.scores}"

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the raw scores of the group's first convolution, [C]; the mean where its channels are tied."""
        del statistics
        slot = next(
            slot
            for slot in group.group.slots
            if slot.module in self.found and slot.role in PRODUCING and slot.parameter == "weight"
        )
        scores = self.found[slot.module]
        return group.summed(slot, scores) / group.summed(slot, torch.ones_like(scores))

    def choose(self, setting: Setting | None, state: State, demand: Demand, context: Context) -> Allocation:
        """Returns the channels above the threshold, and one at least of each group.

        `details["first_vss"]` says which threshold it was, of how many scores, how many of them it is not below, and
        which groups it leaves a single channel.
        """
        del context
        ratio = ratio_from(setting)
        protected = _layers([ChannelGroup.from_json(group) for group in state.data["groups"]], demand)
        raw = [
            scores
            for name, scores in state.tensors.items()
            if name.startswith(RAW) and name.removeprefix(RAW) not in protected
        ]
        threshold = Threshold.at(ratio, raw)
        kept = {
            name: list(range(size)) if name in demand.protected else threshold.kept(state.tensors[SCORES + name])
            for name, size in demand.sizes.items()
        }
        single = [name for name, channels in kept.items() if len(channels) == 1 < demand.sizes[name]]
        found = {"scores": self.scores, "threshold": threshold.value, "of": threshold.total, "below": threshold.below}
        reason = f"one threshold over raw scores, which {threshold.below} of {threshold.total} do not exceed"
        target = demand.target(ratio, kept, reason)
        return Allocation(kept=kept, target=target, details={"first_vss": {**found, "single_channel": single}})


def _layers(groups: Sequence[ChannelGroup], demand: Demand) -> set[str]:
    """Returns the layers of protected groups."""
    return {path for group in groups if group.name in demand.protected for path in group.layers}
