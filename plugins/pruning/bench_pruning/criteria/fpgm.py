"""Filter pruning via the geometric median."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    from bench_pruning.channels.bound import BoundGroup


class FPGM(PruningMethod):
    """Distance of a filter to all others: d_j = sum_j' ||w_j - w_j'||_2.

    The filters with the smallest sum lie nearest to the geometric median, so the others can replace them.

    Source: He et al., Filter Pruning via Geometric Median for Deep Convolutional Neural Networks
    Acceleration (CVPR 2019), section 3.3.
    """

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the sum of distances between the raw filters, [C]."""
        del statistics
        filters = group.filters().double()
        # |a|^2 - 2ab + |b|^2 is twelve times faster than differences; its cancellation for filters that are
        # nearly equal stays below the rounding of 32-bit weights because it runs in 64 bits.
        distances = torch.cdist(filters, filters, compute_mode="use_mm_for_euclid_dist")
        return distances.fill_diagonal_(0).sum(dim=1)
