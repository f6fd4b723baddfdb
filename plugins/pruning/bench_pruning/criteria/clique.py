"""The order in which a greedy search for the least redundant set of channels gives channels up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDING = 1e-12
"""Sums that differ by less than this part of the largest are equal."""


@dataclass(frozen=True)
class Removal:
    """What the greedy search did.

    Attributes:
        order: All channels, the first to go first, [C]. The last k are the set of k channels.
        scores: For each channel minus its redundancy with those that were left when it went, [C] in 64 bits. They rise
            along the order, so that the lowest scores go first; of equal scores the lower index goes first.
    """

    order: torch.Tensor
    scores: torch.Tensor


def greedy_removal(redundancy: torch.Tensor, *, diagonal: bool = False) -> Removal:
    """Gives up the channel with the largest sum of redundancies to those that are left, one by one.

    The maximum edge weight clique of k channels, where an edge weighs minus the redundancy, is the set of k channels
    with the least redundancy among them. The greedy search finds it for k = C and k = C - 1, not always for others.
    Sums are kept up to date, so that all C steps take O(C^2).

    Of equal sums the lower index goes first. The last two channels always have equal sums (without the diagonal); of
    these the one goes first that was more redundant with the whole layer, so that their order does not decide.

    Args:
        redundancy: How much two channels say the same, symmetric and not negative, [C, C].
        diagonal: Whether a channel's redundancy with itself counts, as in the authors' code. Then of two identical
            channels none need go before one that repeats nothing but is concentrated on few pixels.

    Source: Wu et al., Structural Pruning via Spatial-aware Information Redundancy for Semantic Segmentation (AAAI
    2025), algorithm 1.
    """
    weights = redundancy.detach().cpu().double().numpy()
    if not diagonal:
        weights = weights.copy()
        np.fill_diagonal(weights, 0)
    total = weights.sum(axis=1)
    sums = total.copy()
    order = np.empty(len(sums), dtype=np.int64)
    scores = np.empty(len(sums))
    for step in range(len(sums)):
        channel = int(sums.argmax())
        order[step] = channel
        scores[channel] = -sums[channel]
        sums -= weights[channel]
        sums[channel] = -np.inf
    if len(order) > 1:
        _break_last_tie(order, scores, weights, total)
    return Removal(torch.from_numpy(order), torch.from_numpy(scores))


def _break_last_tie(
    order: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64], total: NDArray[np.float64]
) -> None:
    """Exchanges the last two channels if only their index, or rounding, has decided between them."""
    first, last = order[-2:]
    rounding = ROUNDING * total.max()
    sums = -scores[first], weights[last, last] + weights[first, last]
    others = total[last] - total[first]
    lower = last < first and abs(others) <= rounding
    if abs(sums[0] - sums[1]) <= rounding and (others > rounding or lower):
        order[-2:] = last, first
        scores[last], scores[first] = scores[first], scores[last]
