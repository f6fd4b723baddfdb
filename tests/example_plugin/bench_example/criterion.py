"""A criterion in ten lines."""

import torch
from torch.nn import functional

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.method import PruningMethod, Statistics


class Redundancy(PruningMethod):
    """A filter is dispensable if another one points in nearly the same or the opposite direction."""

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns one minus the largest absolute cosine to any other filter, [C], in 0..1."""
        directions = functional.normalize(group.filters(), dim=1)
        cosines = (directions @ directions.T).abs().fill_diagonal_(0)
        return 1 - cosines.amax(dim=1)
