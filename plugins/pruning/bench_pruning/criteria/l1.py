"""L1 filter norm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    import torch

    from bench_pruning.channels.bound import BoundGroup


class L1(PruningMethod):
    """Sum of absolute weights of a filter: s_c = sum |W[c]|.

    Source: Li et al., Pruning Filters for Efficient ConvNets (ICLR 2017), section 3.1.
    """

    seed = "l1"

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the L1 norm of each channel's filters, [C]."""
        del statistics
        return group.filters().abs().sum(dim=1)
