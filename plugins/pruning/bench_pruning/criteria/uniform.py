"""The same width everywhere: the first channels of each group, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.descriptors.first_vss import AS_CORRECTED
from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    from bench_pruning.channels.bound import BoundGroup


class Uniform(PruningMethod):
    """Keeps the first channels, so that what is left is the network designed with fewer channels in every layer.

    "Uniform pruning" of Liu et al., Rethinking the Value of Network Pruning, ICLR 2019, section 5. Which channels stay
    does not matter, for its default recovery trains from fresh weights; the first make the result independent of
    weights, data and seed.
    """

    seed = AS_CORRECTED

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns C, C - 1, ..., 1: the later channel goes first, [C]."""
        del statistics
        return torch.arange(group.size, 0, -1, dtype=torch.float64)
