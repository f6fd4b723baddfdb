"""The base of all pruning methods: a criterion scores channels, the rest is the same for all."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from bench_pruning.allocation import allocate
from bench_pruning.channels import surgery
from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.groups import ChannelGroup
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.tracing import trace
from bench_pruning.channels.verification import verify
from bench_pruning.descriptors import PruningOptions
from harness.errors import PluginError, UnsupportedOperationError, UserError
from harness.registry.method import Compression, Compressor, State, TransformStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from bench_pruning.channels.groups import Trace
    from bench_pruning.channels.recipe import Kept
    from harness.registry.context import Context
    from harness.spec.setting import Setting

Statistics = dict[str, torch.Tensor]
"""What a method collects for its scores, under keys of its own choice."""

SCORES = "scores."
"""Prefix of the scores' names in the state."""


class PruningMethod(Compressor[PruningOptions]):
    """Removes the channels with the lowest scores.

    A new criterion implements `score`, and `collect` if it needs data:

        class L1(PruningMethod):
            def score(self, group, statistics):
                return group.filters().abs().sum(1)
    """

    @abstractmethod
    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the importance of each channel of a group, [C], floating point, high = keep.

        Args:
            group: The coupled channels and the weights that belong to them.
            statistics: What `collect` returned.
        """

    def collect(self, model: nn.Module, context: Context) -> Statistics:
        """Returns statistics of the calibration data, streamed once for all groups; by default none.

        Args:
            model: The trained model.
            context: The door to data and task.
        """
        del model, context
        return {}

    def prepare(self, model: nn.Module, context: Context) -> State:
        """Returns the channel groups and their scores, which all ratios share.

        Raises:
            TraceError: The model's channels cannot be followed.
            UnsupportedOperationError: No channel of the model can be removed.
            PluginError: `score` broke its contract.
        """
        found = trace(model, context.task, context.example_images())
        _require_prunable(model, found)
        statistics = self.collect(model, context)
        scores: dict[str, torch.Tensor] = {}
        for done, group in enumerate(found.prunable, start=1):
            with torch.no_grad():
                scores[SCORES + group.name] = self._checked(group, self.score(BoundGroup(group, model), statistics))
            context.progress(done, len(found.prunable), group.name)
        groups = [group.to_json() for group in found.prunable]
        pinned = [{"module": path, "reason": reason} for path, reason in found.pinned]
        return State(tensors=scores, data={"groups": groups, "pinned": pinned})

    def compress(self, model: nn.Module, setting: Setting | None, state: State, context: Context) -> Compression:
        """Returns the model without the channels that score lowest; ratio 0 changes nothing.

        `achieved["channels"]` is the fraction removed of all channels of prunable groups, where a channel
        that several layers share counts once.

        Raises:
            UserError: The setting is no ratio in [0, 1), or a fraction of something other than channels.
        """
        ratio = _ratio(setting, context)
        groups = [ChannelGroup.from_json(group) for group in state.data["groups"]]
        scores = {group.name: state.tensors[SCORES + group.name] for group in groups}
        kept = allocate(scores, ratio, self.options)
        payload = recipe(model, groups, kept)
        dense = copy.deepcopy(model) if payload["kept"] else model
        surgery.apply(model, payload)
        check = verify(dense, model, context.task, context.example_images(), groups, kept)
        return Compression(
            model=model,
            transforms=[TransformStep(kind="prune", version=1, payload=payload)],
            achieved={"channels": _removed_fraction(groups, kept)},
            checks=[check],
            details=self._details(groups, kept, state),
        )

    def _checked(self, group: ChannelGroup, scores: Any) -> torch.Tensor:
        """Returns the scores on the CPU.

        Raises:
            PluginError: They are not one finite floating-point number a channel.
        """
        what = None
        if not isinstance(scores, torch.Tensor) or not scores.is_floating_point():
            what = f"a {getattr(scores, 'dtype', type(scores).__name__)}, not a floating-point tensor"
        elif tuple(scores.shape) != (group.size,):
            what = f"shape {list(scores.shape)}, not [{group.size}]"
        elif not bool(torch.isfinite(scores).all()):
            what = "scores that are not finite"
        if what is not None:
            message = f"{type(self).__name__}.score returned {what} for the group `{group.name}`"
            raise PluginError(message, "It must return one finite score for each of the group's channels.")
        checked: torch.Tensor = scores.detach().cpu().contiguous()
        return checked

    def _details(self, groups: Sequence[ChannelGroup], kept: Kept, state: State) -> dict[str, Any]:
        layers = {
            path: {"before": group.size, "after": len(kept[group.name]), "group": group.name}
            for group in groups
            for path in group.layers
        }
        return {"layers": layers, "pinned": state.data["pinned"], "options": self.options.model_dump()}


def _require_prunable(model: nn.Module, found: Trace) -> None:
    if not found.prunable:
        reasons = "; ".join(f"`{path}`: {reason}" for path, reason in found.pinned[:3])
        message = f"no channel of {type(model).__name__} can be removed ({reasons})"
        raise UnsupportedOperationError(message, "Choose another model or a method that is not structured pruning.")


def _ratio(setting: Setting | None, context: Context) -> float:
    if context.ratio_of != "channels":
        message = f"ratio_of={context.ratio_of} is not available for pruning methods in this version"
        raise UserError(message, "Use --ratio-of channels.")
    if isinstance(setting, bool) or not isinstance(setting, (int, float)) or not 0 <= setting < 1:
        message = f"a pruning method needs a ratio from 0 to below 1, not {setting!r}"
        raise UserError(message, "Write the fraction of channels to remove, e.g. l1@0.5.")
    return float(setting)


def _removed_fraction(groups: Sequence[ChannelGroup], kept: Mapping[str, list[int]]) -> float:
    total = sum(group.size for group in groups)
    return 1 - sum(len(kept[group.name]) for group in groups) / total
