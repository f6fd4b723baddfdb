"""The base of all pruning methods: a criterion scores channels, the rest is the same for all."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from bench_pruning.advice import WAYS_ON
from bench_pruning.allocation import allocate
from bench_pruning.channels import modes, surgery
from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.costs import CostModel
from bench_pruning.channels.groups import ChannelGroup
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.trial import tried_trace
from bench_pruning.channels.verification import verify, verify_costs
from bench_pruning.compensation import compensate
from bench_pruning.demand import Demand
from bench_pruning.description import described
from bench_pruning.descriptors import PRUNE, PruningOptions, SurgeryOptions
from bench_pruning.descriptors.first_vss import AS_CORRECTED, NOT_IN_IT
from bench_pruning.protection import protected_groups
from bench_pruning.ranking import scores_by_layer
from bench_pruning.recalibration import recalibrate
from harness.errors import PluginError, UnsupportedOperationError, UserError
from harness.registry.method import Compression, Compressor, Description, State, TransformStep

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from bench_pruning.allocation import Allocation
    from bench_pruning.channels.groups import Trace
    from harness.registry.context import Context
    from harness.spec.setting import Setting

Statistics = dict[str, torch.Tensor]
"""What a method collects for its scores, under keys of its own choice."""

TRIAL_SAMPLES = 2
"""Images of the training loss that a trace is tried with; batch normalisation needs two."""

SCORES = "scores."
"""Prefix of the scores' names in the state."""


class PruningMethod(Compressor[SurgeryOptions]):
    """Removes the channels with the lowest scores.

    A new criterion implements `score`, and `collect` if it needs data; what does not choose by scores and a ratio
    overrides `choose`:

        class L1(PruningMethod):
            def score(self, group, statistics):
                return group.filters().abs().sum(1)

    Attributes:
        seed: What stands for the method under protocol `seed`: the name of a score of the first VSS benchmark, or
            `AS_CORRECTED`; empty where there is nothing.
        seed_refusal: Why there is nothing.
    """

    seed: ClassVar[str] = ""
    seed_refusal: ClassVar[str] = NOT_IN_IT

    @abstractmethod
    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the importance of each channel of a group, [C], floating point, high = keep.

        Args:
            group: The coupled channels and the weights that belong to them.
            statistics: What `collect` returned.
        """

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns statistics of the calibration data, streamed once for all groups; by default none.

        Args:
            model: The trained model; it stays as it is.
            groups: The groups that will be scored.
            context: The door to data and task.
        """
        del model, groups, context
        return {}

    def declines(self, group: BoundGroup) -> str:
        """Returns why a group has no score and stays whole, empty if it has one; by default all have."""
        del group
        return ""

    def prepare(self, model: nn.Module, context: Context) -> State:
        """Returns the channel groups and their scores, which all ratios share.

        Raises:
            TraceError: The model's channels cannot be followed.
            UnsupportedOperationError: No channel of the model can be removed.
            PluginError: `score` broke its contract.
            UserError: The context's protocol does not have the method.
        """
        acting = self.acting(context)
        if acting is not self:
            return acting.prepare(model, context)
        batch = next(context.calibration_batches(samples=TRIAL_SAMPLES))
        found = tried_trace(model, context.task, context.example_images(), batch, self.options.protect)
        _require_prunable(model, found)
        protected = protected_groups(model, found.prunable, self.options.protect)
        bound = [BoundGroup(group, model) for group in found.prunable]
        declined = {group.name: reason for group in bound if (reason := self.declines(group))}
        groups = [group for group in bound if group.name not in declined]
        _require_some(model, groups, declined)
        context.samples_read = 0  # the trial's do not count
        statistics = self.collect(model, groups, context)
        scores: dict[str, torch.Tensor] = {}
        for done, group in enumerate(groups, start=1):
            with torch.no_grad():
                scores[SCORES + group.name] = self._checked(group.group, self.score(group, statistics))
            context.progress(done, len(groups), group.name)
        data = {
            "groups": [group.group.to_json() for group in groups],
            "pinned": [
                *({"module": path, "reason": reason} for path, reason in found.pinned),
                *({"module": name, "reason": reason} for name, reason in declined.items()),
            ],
            "protected": sorted(protected - set(declined)),
            "notes": list(found.notes),
            "calibration": {"samples": context.samples_read, "seed": context.seed},
            "macs": found.macs.fixing({group.name: group.size for group in bound if group.name in declined}).to_json(),
        }
        return State(tensors=scores, data=data)

    def compress(self, model: nn.Module, setting: Setting | None, state: State, context: Context) -> Compression:
        """Returns the model without the channels that score lowest; ratio 0 changes nothing.

        `achieved["channels"]` is the fraction removed of all channels of prunable, unprotected groups, where a channel
        that several layers share counts once. How near the ratio's target is comes in `details["target"]`. What was
        removed is checked before biases are compensated and statistics estimated anew, since both change the function.

        Raises:
            UserError: The setting is no ratio in [0, 1), or the context's protocol does not have the method.
        """
        acting = self.acting(context)
        if acting is not self:
            return acting.compress(model, setting, state, context)
        groups = [ChannelGroup.from_json(group) for group in state.data["groups"]]
        macs, protected = CostModel.from_json(state.data["macs"]), frozenset(state.data["protected"])
        demand = Demand.on(model, groups, of=context.ratio_of, macs=macs, protected=protected)
        chosen = self.choose(setting, state, demand, context)
        payload = recipe(model, groups, chosen.kept)
        dense = copy.deepcopy(model) if payload["kept"] else model
        surgery.apply(model, payload)
        images = context.example_images()
        check = verify(dense, model, context.task, images, groups, chosen.kept)
        counts = {name: len(channels) for name, channels in chosen.kept.items()}
        details = self._details(groups, chosen, state)
        if payload["kept"] and self.options.bias_compensation:
            details["compensation"] = compensate(dense, groups, chosen.kept, context.task, images).to_json()
            surgery.apply(dense, payload)
            model = dense
        if payload["kept"] and self.options.recalibrate:
            details["recalibrated_on"] = recalibrate(model, context, self.options.recalibrate)
        return Compression(
            model=model,
            transforms=[TransformStep(kind="prune", version=PRUNE.version, payload=payload)],
            achieved={"channels": _removed_fraction([g for g in groups if g.name not in protected], chosen.kept)},
            checks=[check, verify_costs(model, _macs(model, context, images), counts, demand.costs)],
            details=details,
        )

    def choose(self, setting: Setting | None, state: State, demand: Demand, context: Context) -> Allocation:
        """Returns which channels stay; by default the ratio's, by score, as the options say.

        Args:
            setting: What was asked for.
            state: What `prepare` returned; a group's scores are its tensor `SCORES + name`.
            demand: What the choice is counted in, and which groups must stay whole.
            context: The door to data and task, for a seeded choice.

        Raises:
            UserError: The setting is no ratio in [0, 1).
            PluginError: The method's options are no `PruningOptions`, so that it has to choose for itself.
        """
        del context
        if not isinstance(self.options, PruningOptions):
            message = f"{type(self).__name__} has options that say nothing about how channels are chosen"
            raise PluginError(message, "Derive them from PruningOptions, or override `choose`.")
        return allocate(
            {name: state.tensors[SCORES + name] for name in demand.sizes},
            ratio_from(setting),
            self.options,
            of=demand.of,
            costs=demand.costs,
            protected=demand.protected,
            widths=demand.widths,
        )

    def describe(self, model: nn.Module, state: State) -> Description:
        """Returns the groups, what can go with them, and what must stay and why."""
        groups = [ChannelGroup.from_json(group) for group in state.data["groups"]]
        return described(model, groups, state.data, self.options)

    def channel_scores(self, model: nn.Module, state: State, context: Context) -> dict[str, torch.Tensor]:
        """Returns what was thought of each channel of each layer; see `Compressor.channel_scores`.

        It is the score of the group that a channel belongs to, so that layers which share channels have equal scores.
        Within a group those go first that have the lowest; a layer whose channels are of several groups may lose others
        before its lowest. Layers that cannot lose a channel, protected ones included, are left out.
        """
        del context
        protected = set(state.data["protected"])
        groups = [ChannelGroup.from_json(group) for group in state.data["groups"]]
        scores = {group.name: state.tensors[SCORES + group.name] for group in groups if group.name not in protected}
        return scores_by_layer(model, groups, scores)

    def acting(self, context: Context) -> PruningMethod:
        """Returns what does the method's work under the context's protocol; itself unless that has scores of its own.

        Raises:
            UserError: The protocol does not have the method, or not what is asked of it.
        """
        if context.protocol != "seed" or self.seed == AS_CORRECTED:
            return self
        from bench_pruning.first_vss.method import FirstVSS  # a pruning method itself

        return FirstVSS.standing_for(self, context)

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

    def _details(self, groups: Sequence[ChannelGroup], chosen: Allocation, state: State) -> dict[str, Any]:
        layers = {
            path: {
                "before": group.size * group.width,
                "after": len(chosen.kept[group.name]) * group.width,
                "group": group.name,
            }
            for group in groups
            for path in group.layers
        }
        return {
            "layers": layers,
            **({"target": chosen.target.to_json()} if chosen.target is not None else {}),
            "mixing": {group.name: group.mixing for group in groups if group.mixing},
            **{name: state.data[name] for name in ("pinned", "protected", "notes", "calibration")},
            "options": self.options.model_dump(mode="json", exclude=set(self.options.plan_options)),
            **chosen.details,
        }


def _require_prunable(model: nn.Module, found: Trace) -> None:
    if not found.prunable:
        reasons = "; ".join(f"`{path}`: {reason}" for path, reason in found.pinned[:3])
        message = f"no channel of {type(model).__name__} can be removed ({reasons})"
        raise UnsupportedOperationError(message, WAYS_ON)


def _require_some(model: nn.Module, groups: Sequence[BoundGroup], declined: Mapping[str, str]) -> None:
    if not groups:
        reasons = "; ".join(f"`{name}`: {reason}" for name, reason in list(declined.items())[:3])
        message = f"no channel of {type(model).__name__} has a score ({reasons})"
        raise UnsupportedOperationError(message, "Use another criterion, such as l2 or taylor.")


def ratio_from(setting: Setting | None) -> float:
    """Returns a setting that is a ratio.

    Raises:
        UserError: It is none in [0, 1).
    """
    if isinstance(setting, bool) or not isinstance(setting, (int, float)) or not 0 <= setting < 1:
        message = f"a pruning method needs a ratio from 0 to below 1, not {setting!r}"
        raise UserError(message, "Write the fraction of channels to remove, e.g. l1@0.5.")
    return float(setting)


def _removed_fraction(groups: Sequence[ChannelGroup], kept: Mapping[str, list[int]]) -> float:
    total = sum(group.size * group.width for group in groups)
    return 1 - sum(len(kept[group.name]) * group.width for group in groups) / total


def _macs(model: nn.Module, context: Context, images: torch.Tensor) -> int:
    with modes.restored_flags(model):
        modes.set_inference(model)
        return context.count_macs(model, images)
