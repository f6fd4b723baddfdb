"""Random channels."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

from bench_pruning.method import PruningMethod, Statistics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from harness.registry.context import Context


class Random(PruningMethod):
    """A uniform random score a channel, so that each set of channels of one size is equally likely.

    Each group draws from a generator of its own, keyed by the seed and the group's name: the scores of one
    layer do not depend on which others exist.
    """

    seed = "random"

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns the seed that the groups' generators are derived from."""
        del model, groups
        return {"seed": torch.randint(2**62, (1,), generator=context.generator("random"))}

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns uniform random scores, [C]."""
        key = f"{int(statistics['seed'])}:{group.name}".encode()
        seed = int.from_bytes(hashlib.sha256(key).digest()[:7], "big")
        generator = torch.Generator().manual_seed(seed)
        return torch.rand(group.size, generator=generator, dtype=torch.float64)
