"""One scoring serves every ratio: all channels in the order in which they go, of which each ratio removes a prefix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.limits import fewest_kept, rounded

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    import torch
    from numpy.typing import NDArray

    from bench_pruning.channels.recipe import Kept
    from bench_pruning.descriptors import PruningOptions


@dataclass(frozen=True, eq=False)
class RemovalOrder:
    """The channels that may go, the first to go first.

    A prefix of the order says how many channels each group loses; then the counts are rounded. What a longer
    prefix keeps is a subset of what a shorter one keeps.

    Attributes:
        rankings: All channels of each group by ascending score; of equal scores the lower index comes first.
        owners: For each entry of the order, the position of its group in `rankings`, [N]. Channels that must stay
            have no entry.
        rates: For each entry, ascending, the ratio of channels above which it goes, [N].
        options: Limits and rounding.
    """

    rankings: Mapping[str, NDArray[np.int64]]
    owners: NDArray[np.int64]
    rates: NDArray[np.float64]
    options: PruningOptions

    def __len__(self) -> int:
        return len(self.owners)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Channels of each group."""
        return {name: len(ranking) for name, ranking in self.rankings.items()}

    def counts(self, name: str) -> NDArray[np.int64]:
        """Returns how many channels a group keeps after each prefix, the empty one included, [N + 1]."""
        removed = np.cumsum(self.owners == list(self.rankings).index(name))
        size = self.sizes[name]
        return rounded(size - np.concatenate(([0], removed)), size, self.options)

    def kept(self, prefix: int) -> Kept:
        """Returns the channels of each group, ascending, that stay when the first `prefix` entries go."""
        removed = np.bincount(self.owners[:prefix], minlength=len(self.rankings)).tolist()
        kept = {}
        for (name, ranking), count in zip(self.rankings.items(), removed, strict=True):
            stay = int(rounded(np.array(len(ranking) - count), len(ranking), self.options))
            kept[name] = sorted(ranking[len(ranking) - stay :].tolist())
        return kept

    def prefix_of_rate(self, ratio: float) -> int:
        """Returns how many entries a ratio of channels removes."""
        return int(np.searchsorted(self.rates, ratio))


def removal_order(
    scores: Mapping[str, torch.Tensor],
    options: PruningOptions,
    protected: Container[str] = (),
    widths: Mapping[str, int] | None = None,
) -> RemovalOrder:
    """Returns the order in which channels go.

    Uniform: the channel with the k-th lowest score (k = 0, 1, ...) of a group of C goes above the rate (k + 1/2) / C,
    so that a rate r leaves the integer nearest to `(1 - r) * C` in each group, halves rounded up. Groups of one size
    take turns. Global: by score divided by the group's mean or maximum; the k-th of all goes above the rate
    (k + 1/2) / total, where the total counts the channels of all groups that are not protected. Channels that are tied
    to others count as many as go together.

    Of equal places in the order, the earlier group's comes first.

    Args:
        scores: One score a channel, [C] by group name; high = keep.
        options: `allocation`, `normalizer`, `min_channels` and `max_ratio`; `round_to` is applied to counts later.
        protected: Names of the groups that lose nothing.
        widths: How many channels of a layer go with one of a group; 1 where nothing is said.
    """
    values = {name: score.detach().cpu().double().numpy() for name, score in scores.items()}
    rankings = {name: np.argsort(value, kind="stable") for name, value in values.items()}
    owners, keys = [np.empty(0, np.int64)], [np.empty(0)]
    for position, (name, ranking) in enumerate(rankings.items()):
        size = len(ranking)
        removable = 0 if name in protected else size - fewest_kept(size, options)
        owners.append(np.full(removable, position))
        if options.allocation == "uniform":
            keys.append((np.arange(removable) + 0.5) / size)
        else:
            keys.append(normalized(values[name], options.normalizer)[ranking[:removable]])
    key = np.concatenate(keys)
    order = np.argsort(key, kind="stable")
    weights = np.array([(widths or {}).get(name, 1) for name in rankings], dtype=np.int64)
    sizes = [0 if name in protected else len(ranking) for name, ranking in rankings.items()]
    owner = np.concatenate(owners)[order]
    gone = np.cumsum(weights[owner]) - 0.5 * weights[owner]
    rates = key[order] if options.allocation == "uniform" else gone / max(int(weights @ np.array(sizes)), 1)
    return RemovalOrder(rankings=rankings, owners=owner, rates=rates, options=options)


def normalized(scores: NDArray[np.float64], normalizer: str) -> NDArray[np.float64]:
    """Returns a group's scores [C] divided by the mean or maximum of their magnitudes.

    Scores that are all zero are returned as they are.
    """
    if normalizer == "none":
        return scores
    magnitudes = np.abs(scores)
    divisor = magnitudes.mean() if normalizer == "mean" else magnitudes.max()
    return scores / divisor if divisor > 0 else scores
