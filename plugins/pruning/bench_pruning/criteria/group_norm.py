"""Norms of all weights that belong to a channel, in every layer that makes, scales or reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.method import PruningMethod, Statistics
from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.channels.groups import Role

MEMBERS: tuple[Role, ...] = ("producer", "depthwise", "norm", "consumer")
"""Roles of the weights that count; biases do not."""


class GroupNorm(PruningMethod):
    """Mean over the layers of a group of `sum_k |w_ck|^p`: rows of what makes a channel, columns of what reads it.

    For p = 2 it is a sum of squares without a root. A layer that sees some of the channels only (one branch of a
    concatenation) adds nothing to the others.

    Source: Fang et al., DepGraph: Towards Any Structural Pruning (CVPR 2023), equation 4 without the weights of sparse
    learning, and its released importance of groups.
    """

    power: int

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the mean norm of each channel's weights, [C] in 64 bits.

        Raises:
            UnsupportedOperationError: The group consists of bare parameters.
        """
        del statistics
        slots = [slot for role in MEMBERS for slot in group.slots(role)]
        if not slots:
            message = f"no layer makes or reads the channels of `{group.name}`"
            raise UnsupportedOperationError(message, "Protect the group, or use a criterion that needs no weights.")
        norms = [group.rows(slot).double().abs().pow(self.power).sum(1) for slot in slots]
        return torch.stack(norms).mean(0)


class GroupL1(GroupNorm):
    """Absolute values."""

    power = 1


class GroupL2(GroupNorm):
    """Squares."""

    power = 2
