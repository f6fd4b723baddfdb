"""Layer-adaptive magnitudes of filters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    import torch

    from bench_pruning.channels.bound import BoundGroup


class LAMP(PruningMethod):
    """The squared norm of a filter as a part of that of all filters of its group that are not smaller.

    With s = sum w^2, sorted so that s_1 <= s_2 <= ..., `score(u) = s_u / sum_{v >= u} s_v`. The largest has 1, in every
    group, so that a global ranking empties none before all others are down to one; the scale of a group does not
    matter, and its ranking is that of `l2`. Of equal filters the later index counts as the larger. Filters of zeros
    have 0.

    The paper scores single weights; here filters take their place, with all layers that make the channel.

    Source: Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning (ICLR 2021), definition of the score.
    """

    def declines(self, group: BoundGroup) -> str:
        """Returns why a group has no score: its channels have no filters."""
        return "" if group.slots("producer") else "no filters make its channels"

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the scores, [C] in 64 bits, in [0, 1]."""
        del statistics
        return layer_adaptive(group.filters().double().square().sum(1))


def layer_adaptive(squares: torch.Tensor) -> torch.Tensor:
    """Returns each value as a part of the sum of those that are not smaller, [C]; 0 where that is 0."""
    ascending, order = squares.sort(stable=True)
    rest = ascending.flip(0).cumsum(0).flip(0)
    parts = squares.new_zeros(len(squares))
    parts[order] = (ascending / rest).where(rest > 0, 0.0)
    return parts
