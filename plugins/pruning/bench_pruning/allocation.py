"""Allocation: from scores and a ratio to the channels that stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bench_pruning.channels.costs import CostModel, width_costs
from bench_pruning.ordering import removal_order
from bench_pruning.targets import Target, curve, is_missed, nearest_prefix
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    import torch

    from bench_pruning.channels.recipe import Kept
    from bench_pruning.descriptors import PruningOptions


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """The channels that stay, and how near they come to what was asked for.

    Attributes:
        kept: Kept channels of each group, ascending.
        target: What was asked for and what is predicted; `None` where no cost was asked for.
        details: Plain JSON for the record: how the choice came about.
    """

    kept: Kept
    target: Target | None
    details: dict[str, Any] = field(default_factory=dict)


def allocate(
    scores: Mapping[str, torch.Tensor],
    ratio: float,
    options: PruningOptions,
    *,
    of: str = "channels",
    costs: Mapping[str, CostModel] | None = None,
    protected: Container[str] = (),
    widths: Mapping[str, int] | None = None,
) -> Allocation:
    """Returns which channels stay where a fraction of the channels, parameters or MACs goes.

    One order of removal serves all ratios and targets; each of them removes a prefix of it. A ratio of channels
    gives exact counts whatever the scores, another target takes the prefix whose cost, after rounding, is nearest.
    For fixed scores and options, what a larger ratio keeps is a subset of what a smaller one keeps.

    Args:
        scores: One score a channel, [C] by group name; high = keep.
        ratio: Fraction to remove, 0 <= ratio < 1.
        options: How the channels are chosen.
        of: What the ratio is a fraction of. Channels are those of the groups that are not protected, parameters and
            MACs those of the whole model.
        costs: What is counted, by the name of the target; needed for targets other than channels.
        protected: Names of the groups that lose nothing.
        widths: How many channels of a layer go with one of a group; 1 where nothing is said.

    Raises:
        UserError: There is nothing that the ratio could be a fraction of.
    """
    many = widths or {}
    channels = width_costs({name: many.get(name, 1) for name in scores if name not in protected})
    counted = {"channels": channels, **(costs or {})}[of]

    def choose(chosen: PruningOptions) -> _Choice:
        order = removal_order(scores, chosen, protected, many)
        prefix = order.prefix_of_rate(ratio) if of == "channels" else nearest_prefix(curve(order, counted), ratio)
        kept = order.kept(prefix)
        predicted, least = _cost(counted, kept), _cost(counted, order.kept(len(order)))
        return _Choice(kept, predicted, is_missed(dense, predicted, ratio), exhausted=predicted == least)

    dense = counted.count({name: len(score) for name, score in scores.items()})
    if not dense:
        message = f"a ratio of {of} has no meaning: the model has none that count"
        raise UserError(message, "Use another --ratio-of, or protect fewer layers.")
    choice = choose(options)
    target = Target(
        of=of,
        asked=ratio,
        dense=dense,
        predicted=choice.predicted,
        reached=(dense - choice.predicted) / dense,
        missed=choice.missed,
        reason=_reason(choice, options, choose) if choice.missed else None,
    )
    return Allocation(kept=choice.kept, target=target)


def _cost(counted: CostModel, kept: Kept) -> int:
    return counted.count({name: len(channels) for name, channels in kept.items()})


@dataclass(frozen=True)
class _Choice:
    kept: Kept
    predicted: int
    missed: bool
    exhausted: bool


def _reason(missed: _Choice, options: PruningOptions, choose: Callable[[PruningOptions], _Choice]) -> str:
    """Returns which option the target would be met without."""
    unrounded = options.model_copy(update={"round_to": 1})
    if not choose(unrounded).missed:
        return f"round_to={options.round_to} leaves no nearer choice"
    unlimited = unrounded.model_copy(update={"min_channels": 1, "max_ratio": 1.0})
    if missed.exhausted or not choose(unlimited).missed:
        values = options.model_dump(include={"min_channels", "max_ratio", "round_to"})
        limits = ", ".join(f"{name}={value}" for name, value in values.items())
        return f"layers are at their floor ({limits}); what is pinned or protected stays too"
    return "the layers have too few channels for a nearer choice"
