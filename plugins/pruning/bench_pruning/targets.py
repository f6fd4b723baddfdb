"""Targets: how much of the channels, parameters or MACs a ratio removes, found on the curve of all prefixes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench_pruning.channels.costs import CostModel
    from bench_pruning.ordering import RemovalOrder

TOLERANCE = Fraction(1, 100)
"""A target is missed where what is kept is further than this from what was wanted, relative to the latter."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What was asked for and what the chosen channels give.

    Attributes:
        of: `channels`, `params` or `macs`.
        asked: The fraction to remove.
        dense: The cost before.
        predicted: The cost with the chosen channels.
        reached: The fraction that they remove.
        missed: Whether `predicted` is more than 1 % away from `(1 - asked) * dense`.
        reason: Why it was missed.
    """

    of: str
    asked: float
    dense: int
    predicted: int
    reached: float
    missed: bool
    reason: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON data."""
        return asdict(self)


def curve(order: RemovalOrder, costs: CostModel) -> NDArray[Any]:
    """Returns the exact cost after each prefix of the order, rounding included, never ascending, [N + 1].

    Integers of 64 bits where the dense cost is one, else Python's.

    Args:
        order: The channels in the order in which they go.
        costs: What is counted.
    """
    # No product or sum on the way is larger than the dense cost, as long as terms without a value are left out.
    exact = np.int64 if costs.count(order.sizes) <= np.iinfo(np.int64).max else object
    counts = cache(lambda name: order.counts(name).astype(exact))
    total = np.zeros(len(order) + 1, exact)
    for term in costs.terms:
        if not term.count(order.sizes):
            continue
        value = np.full(len(total), term.coefficient, exact)
        for width in term.widths:
            value *= sum((many * counts(name) for name, many in width.groups), width.fixed)
        total += value
    return total


def nearest_prefix(costs: NDArray[Any], ratio: float) -> int:
    """Returns the shortest prefix whose cost is nearest to what is wanted; of two equally near costs the larger.

    Args:
        costs: What `curve` returned.
        ratio: Fraction of the cost to remove.
    """
    target = wanted(int(costs[0]), ratio)
    below = int(np.count_nonzero(costs > target.numerator // target.denominator))
    if below == 0:
        return 0
    last_above = int(costs[below - 1])
    if below < len(costs) and target - int(costs[below]) < last_above - target:
        return below
    return int(np.count_nonzero(costs > last_above))


def wanted(dense: int, ratio: float) -> Fraction:
    """Returns the cost that is left when a ratio of it goes, exactly: 0.3 is three tenths."""
    return (1 - Fraction(repr(float(ratio)))) * dense


def is_missed(dense: int, predicted: int, ratio: float) -> bool:
    """Returns whether a cost is more than 1 % away from what is wanted, as a fraction of the latter."""
    target = wanted(dense, ratio)
    return abs(predicted - target) > TOLERANCE * target
