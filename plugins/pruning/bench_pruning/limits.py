"""Limits: how few channels a group may keep, and which counts it may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench_pruning.descriptors import SurgeryOptions


def fewest_kept(size: int, options: SurgeryOptions) -> int:
    """Returns how many of `size` channels must stay by `min_channels` and `max_ratio`; never 0."""
    return min(size, max(options.min_channels, size - _most_removed(size, options.max_ratio)))


def rounded(kept: NDArray[np.int64], size: int, options: SurgeryOptions) -> NDArray[np.int64]:
    """Returns the numbers of channels that a group keeps after rounding; a larger number stays the larger.

    The nearest multiple of `round_to`; where that is too few, the next multiple that is not. A group that loses
    nothing, or is smaller than one multiple, stays whole.

    Args:
        kept: Numbers before rounding, [...], at least `fewest_kept`.
        size: The channels of the whole group.
        options: `round_to`, `min_channels` and `max_ratio`.
    """
    multiple = options.round_to
    # Halves round up: a multiple too many keeps accuracy, one too few may not.
    nearest = (2 * kept + multiple) // (2 * multiple) * multiple
    lowest = -(-fewest_kept(size, options) // multiple) * multiple
    return np.where(kept < size, np.minimum(np.maximum(nearest, lowest), size), size)


def _most_removed(size: int, ratio: float) -> int:
    # 0.29 * 100 is below 29, but 29 / 100 is the very float that 0.29 stands for.
    nearest = round(ratio * size)
    return nearest if nearest / size <= ratio else nearest - 1
