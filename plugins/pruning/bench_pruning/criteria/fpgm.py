"""Filter pruning via the geometric median."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import torch

from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.descriptors.fpgm import FPGMOptions


class FPGM(PruningMethod):
    """Distance of a filter to all others: d_j = sum_j' ||w_j - w_j'||_2.

    The filters with the smallest sum lie nearest to the geometric median, so the others can replace them. FPGM-mix
    (`norm_ratio`) first gives up that fraction of the filters, those with the smallest norm ||w_j||_2, and sums
    distances among the survivors alone. A ratio of p then removes norm_ratio by norm and p - norm_ratio by distance,
    the `1 - rate_norm` and `rate_dist` of the released code; where p <= norm_ratio it removes by norm alone. With
    `allocation=global` the filters that go by norm go before those of any group that go by distance.

    Source: He et al., Filter Pruning via Geometric Median for Deep Convolutional Neural Networks
    Acceleration (CVPR 2019), section 3.3.
    """

    seed = "fpgm"

    options: FPGMOptions

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the sum of distances between the raw filters, [C]; negative for those that go by their norm."""
        del statistics
        filters = group.filters().double()
        # 0.3 of 10 filters are three, whatever the product of the floats.
        small = int(Fraction(repr(self.options.norm_ratio)) * len(filters))
        order = filters.norm(dim=1).argsort(stable=True)
        going, staying = order[:small], order[small:].sort().values
        scores = torch.empty_like(filters[:, 0])
        scores[staying] = distances = summed_distances(filters[staying])
        # Below all distances and in their unit, so that the scale of the filters changes no order across groups.
        unit = distances.mean() if distances.any() else distances.new_ones(())
        places = torch.linspace(-1, 0, small + 1, dtype=scores.dtype, device=scores.device)
        scores[going] = places[:-1] * unit
        return scores


def summed_distances(filters: torch.Tensor) -> torch.Tensor:
    """Returns the sum of Euclidean distances from each filter to all others, [C].

    Args:
        filters: [C, D], in 64 bits.
    """
    # |a|^2 - 2ab + |b|^2 is twelve times faster than differences; its cancellation for filters that are
    # nearly equal stays below the rounding of 32-bit weights because it runs in 64 bits.
    distances = torch.cdist(filters, filters, compute_mode="use_mm_for_euclid_dist")
    return distances.fill_diagonal_(0).sum(dim=1)
