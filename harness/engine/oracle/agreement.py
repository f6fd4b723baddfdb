"""How far a ranking of channels agrees with the oracle's; equal values are nobody's to break.

Whatever is equal is in the order of chance: overlaps are expected values, ranks are mean ranks. So no figure depends
on how a sort happens to treat ties, of which an importance that is a drop of a figure on few images has many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

REDUNDANT_SHARE = 5
"""One channel in so many counts as redundant: the lowest 20 %, as in the VSS pruning benchmark."""


@dataclass(frozen=True)
class Agreement:
    """How far two rankings of the same channels agree.

    Attributes:
        channels: Channels that both rank.
        k: How many of them count as redundant: `max(1, channels // 5)`.
        accuracy: Fraction of the k lowest channels of one ranking that are among the k lowest of the other.
        chance: What a ranking by chance reaches: k / channels.
        correlation: Spearman's rank correlation, -1..1; `None` where one side has a single value.
    """

    channels: int
    k: int
    accuracy: float
    chance: float
    correlation: float | None


def agreement(scores: Sequence[float], importance: Sequence[float]) -> Agreement | None:
    """Returns how far scores agree with the oracle's importance; high = keep in both.

    Channels of which one side says nothing (NaN) are left out; `None` if none is left.

    Args:
        scores: One a channel.
        importance: Of the same channels.

    Example:
        >>> agreement([1.0, 2.0, 3.0, 4.0, 5.0], [0.0, 0.1, 0.2, 0.3, 0.4]).accuracy
        1.0
    """
    both = [pair for pair in zip(scores, importance, strict=True) if not any(map(math.isnan, pair))]
    if not both:
        return None
    ours, theirs = [pair[0] for pair in both], [pair[1] for pair in both]
    k = max(1, len(both) // REDUNDANT_SHARE)
    return Agreement(
        channels=len(both),
        k=k,
        accuracy=expected_overlap(ours, theirs, k),
        chance=k / len(both),
        correlation=rank_correlation(ours, theirs),
    )


def expected_overlap(one: Sequence[float], other: Sequence[float], k: int) -> float:
    """Returns the expected fraction of the k lowest of `one` that are among the k lowest of `other`.

    Ties are broken by chance on each side, so it is the sum over channels of the product of both probabilities of
    being among the k lowest, over k.

    Args:
        one: Values of the channels.
        other: Other values of the same channels.
        k: How many, at least 1 and at most all.
    """
    pairs = zip(_lowest(one, k), _lowest(other, k), strict=True)
    return math.fsum(mine * theirs for mine, theirs in pairs) / k


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float | None:
    """Returns Spearman's rank correlation with mean ranks for ties; `None` where all values of a side are equal."""
    ours, theirs = _centred_ranks(one), _centred_ranks(other)
    spread = math.sqrt(math.fsum(rank * rank for rank in ours) * math.fsum(rank * rank for rank in theirs))
    if not spread:
        return None
    product = math.fsum(mine * their for mine, their in zip(ours, theirs, strict=True))
    return max(-1.0, min(1.0, product / spread))


def _lowest(values: Sequence[float], k: int) -> list[float]:
    """Returns each value's probability of being among the k lowest."""
    limit = sorted(values)[k - 1]
    below, at = sum(value < limit for value in values), sum(value == limit for value in values)
    return [1.0 if value < limit else (k - below) / at if value == limit else 0.0 for value in values]


def _centred_ranks(values: Sequence[float]) -> list[float]:
    """Returns mean ranks minus their mean."""
    places: dict[float, list[int]] = {}
    for place, value in enumerate(sorted(values)):
        places.setdefault(value, []).append(place)
    middle = (len(values) - 1) / 2
    return [sum(places[value]) / len(places[value]) - middle for value in values]
