"""L2 filter norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    from bench_pruning.channels.bound import BoundGroup


class L2(PruningMethod):
    """Euclidean norm of a filter: s_c = ||W[c]||_2, with its root.

    Source: the L2 variant of Li et al., Pruning Filters for Efficient ConvNets (ICLR 2017); He et al., Soft
    Filter Pruning (IJCAI 2018), equation 2 with p = 2.
    """

    seed = "l2"

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the L2 norm of each channel's filters, [C]."""
        del statistics
        norms: torch.Tensor = torch.linalg.vector_norm(group.filters(), dim=1)
        return norms
