"""Allocation: from scores and a ratio to the channels that stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench_pruning.channels.recipe import Kept
    from bench_pruning.descriptors import PruningOptions


def allocate(scores: Mapping[str, torch.Tensor], ratio: float, options: PruningOptions) -> Kept:
    """Returns the kept channels of each group, ascending.

    Counts are exact whatever the scores: of channels with equal scores the one with the lower index (and,
    globally, of the earlier group) is removed first. For fixed scores, what a larger ratio keeps is a subset
    of what a smaller one keeps.

    Args:
        scores: One score a channel, [C] by group name; high = keep.
        ratio: Fraction of channels to remove, 0 <= ratio < 1.
        options: `allocation`, `normalizer`, `round_to` and `min_channels`.
    """
    orders = {name: torch.argsort(values, stable=True).tolist() for name, values in scores.items()}
    if options.allocation == "global":
        removals = _global_removals(scores, orders, ratio, options)
    else:
        removals = {name: round(ratio * len(order)) for name, order in orders.items()}
    return {
        name: sorted(order[len(order) - _kept_count(len(order), removals[name], ratio, options) :])
        for name, order in orders.items()
    }


def _global_removals(
    scores: Mapping[str, torch.Tensor],
    orders: Mapping[str, list[int]],
    ratio: float,
    options: PruningOptions,
) -> dict[str, int]:
    """Returns how many channels each group loses: `round(ratio * total)` in all, as far as floors allow."""
    total = round(ratio * sum(len(order) for order in orders.values()))
    candidates, owners = [], []
    for name, order in orders.items():
        removable = order[: max(0, len(order) - options.min_channels)]
        candidates.append(normalized(scores[name], options.normalizer)[removable])
        owners += [name] * len(removable)
    removals = dict.fromkeys(orders, 0)
    ranking = torch.argsort(torch.cat(candidates), stable=True) if owners else torch.tensor([])
    for position in ranking[:total].tolist():
        removals[owners[position]] += 1
    return removals


def normalized(scores: torch.Tensor, normalizer: str) -> torch.Tensor:
    """Returns a group's scores [C] divided by the mean or maximum of their magnitudes, in 64 bits.

    Scores that are all zero are returned as they are.
    """
    values = scores.double()
    if normalizer == "none":
        return values
    magnitudes = values.abs()
    divisor = magnitudes.mean() if normalizer == "mean" else magnitudes.max()
    return values / divisor if divisor > 0 else values


def _kept_count(size: int, removals: int, ratio: float, options: PruningOptions) -> int:
    """Returns how many of `size` channels stay, rounded and never below the floor."""
    if ratio == 0:
        return size
    kept = size - removals
    if options.round_to > 1:
        # Halves round up: a multiple too many keeps accuracy, one too few may not.
        multiples = (2 * kept + options.round_to) // (2 * options.round_to)
        kept = max(multiples, 1) * options.round_to
    return min(size, max(kept, options.min_channels))
