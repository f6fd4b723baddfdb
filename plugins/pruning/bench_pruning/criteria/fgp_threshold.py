"""Feature-gradient pruning as published: a threshold of support goes in, and how many channels stay comes out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.allocation import Allocation
from bench_pruning.criteria.fgp import ClassSupport
from bench_pruning.criteria.support import kept_prefix
from bench_pruning.limits import fewest_kept, rounded
from bench_pruning.method import SCORES, Statistics

if TYPE_CHECKING:
    import torch

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.demand import Demand
    from bench_pruning.descriptors.fgp import FGPThresholdOptions
    from harness.registry.context import Context
    from harness.registry.method import State
    from harness.spec.setting import Setting


class FGPThreshold(ClassSupport):
    """Support with a threshold: each group keeps the fewest channels with a share of at least T of its support.

    Limits and rounding then change the number, by channels in the order of their support; a multiple that is nearer
    from below may leave a little less than T. `details["support"]` says which share each group has kept.

    Source: as `ClassSupport`.
    """

    options: FGPThresholdOptions

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns each channel's share of the group's support, [C]; zeros where it has none."""
        return self.shares(group, statistics)

    def choose(self, setting: Setting | None, state: State, demand: Demand, context: Context) -> Allocation:
        """Returns the channels that the threshold keeps; groups that are protected or without support stay whole.

        `details["support"]` has `threshold`, T, and `kept`, by group the share of its support that was kept; `None`
        where there is no support.
        """
        del setting, context
        shares = {name: state.tensors[SCORES + name] for name in demand.sizes}
        kept = {
            name: list(range(len(share))) if name in demand.protected else kept_channels(share, self.options)
            for name, share in shares.items()
        }
        shares_kept = {name: _share_of(kept[name], share) for name, share in shares.items()}
        details = {"support": {"threshold": self.options.threshold, "kept": shares_kept}}
        return Allocation(kept=kept, target=None, details=details)


def kept_channels(shares: torch.Tensor, options: FGPThresholdOptions) -> list[int]:
    """Returns the channels of a group that stay, ascending; of equal shares the lower index goes first.

    Args:
        shares: Shares of the support, [C]; all channels stay if they are zeros.
        options: `threshold`, `min_channels`, `max_ratio` and `round_to`.
    """
    size = len(shares)
    count = max(len(kept_prefix(shares, options.threshold)), fewest_kept(size, options))
    stay = int(rounded(np.array(count), size, options))
    channels: list[int] = shares.argsort(stable=True)[size - stay :].tolist()
    return sorted(channels)


def _share_of(channels: list[int], shares: torch.Tensor) -> float | None:
    """Returns the share of the support that some channels have, exactly 1 if no other has any; `None` without any."""
    others = shares.clone()
    others[channels] = 0
    return 1 - float(others.sum() / shares.sum()) if bool(shares.any()) else None
