"""The labels of one tensor, and what moving its elements does to them.

`Labels` maps the dimensions along which labels vary to an array of labels with the tensor's rank: its size in these
dimensions, 1 in all others. An element carries one label of each entry, and vanishes with any of them. A tensor without
an entry is fixed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench_pruning.channels.classes import Classes

Dims = tuple[int, ...]
Labels = dict[Dims, "NDArray[np.int64]"]

DEPENDENT = "its channels depend on each other"


def entry(ids: NDArray[np.int64], classes: Classes) -> Labels:
    """Returns the labels of a tensor from one array of its rank, without dimensions along which classes are equal.

    Channels of a dimension that are all of one class can only go together, that is never: they are pinned.
    """
    ids = classes.find(ids)
    for dim, size in enumerate(ids.shape):
        first = np.take(ids, [0], axis=dim)
        if size > 1 and (ids == first).all():
            ids = first
    dims = tuple(dim for dim, size in enumerate(ids.shape) if size > 1)
    if not dims:
        classes.pin(ids, DEPENDENT)
        return {}
    return {dims: ids}


def vector(ids: NDArray[np.int64], rank: int, dim: int) -> Labels:
    """Returns the labels of a tensor of `rank` that vary along `dim` only; none if there is but one."""
    if ids.size < 2:  # noqa: PLR2004 - the only channel of a layer has no label
        return {}
    shape = [1] * rank
    shape[dim] = ids.size
    return {(dim,): ids.reshape(shape)}


def along(labels: Labels, dim: int) -> NDArray[np.int64] | None:
    """Returns the labels [C] of the entry that varies along `dim` alone, if there is one."""
    ids = labels.get((dim,))
    return None if ids is None else ids.ravel()


def varying(labels: Labels, dims: Sequence[int]) -> list[Dims]:
    """Returns the entries that vary along any of `dims`."""
    return [key for key in labels if set(key) & set(dims)]


def permuted(labels: Labels, order: Sequence[int]) -> Labels:
    """Returns the labels behind `permute(order)`."""
    return {
        tuple(sorted(order.index(dim) for dim in key)): np.transpose(ids, tuple(order)) for key, ids in labels.items()
    }


def aligned(labels: Labels, rank: int, to: int) -> Labels:
    """Returns the labels of a tensor of `rank` that is broadcast to rank `to`."""
    ahead = to - rank
    return {tuple(dim + ahead for dim in key): ids.reshape((1,) * ahead + ids.shape) for key, ids in labels.items()}


def reshaped(labels: Labels, before: Sequence[int], after: Sequence[int], classes: Classes, reason: str) -> Labels:
    """Returns the labels behind a view from shape `before` to shape `after`.

    A dimension that is cut into several shrinks in the last of those along which its classes differ: the others are
    united, so that each part keeps as many. Code that cuts otherwise is found out when the pruned model is tried.

    Args:
        labels: The labels of the tensor that is viewed.
        before: Its shape.
        after: The shape of the view, of as many elements.
        classes: Where labels are united.
        reason: Why a channel must stay that cannot be followed.
    """
    result: Labels = {}
    if 0 in before:
        # Nothing is left of which labels could be read.
        for ids in labels.values():
            classes.pin(ids, reason)
        return result
    blocks = matching_blocks(before, after)
    for key, ids in labels.items():
        shape = [1] * len(after)
        full = list(ids.shape)
        for inner, outer in blocks:
            if set(inner) & set(key):
                for dim in inner:
                    full[dim] = before[dim]
                for dim in outer:
                    shape[dim] = after[dim]
        cut = np.broadcast_to(ids, full).reshape(shape)
        for _, outer in blocks:
            _tie_parts(cut, outer, classes, reason)
        for dims, found in entry(cut, classes).items():
            join(result, dims, found, classes, reason)
    return result


def matching_blocks(before: Sequence[int], after: Sequence[int]) -> list[tuple[list[int], list[int]]]:
    """Returns the smallest runs of dimensions of two shapes that hold the same elements.

    Example:
        >>> matching_blocks((2, 12, 5), (2, 3, 4, 5))
        [([0], [0]), ([1], [1, 2]), ([2], [3])]
    """
    blocks: list[tuple[list[int], list[int]]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        inner, outer = [], []
        count = other = 1
        if i < len(before):
            inner.append(i)
            count, i = before[i], i + 1
        if j < len(after):
            outer.append(j)
            other, j = after[j], j + 1
        while count != other:
            if count < other:
                inner.append(i)
                count, i = count * before[i], i + 1
            else:
                outer.append(j)
                other, j = other * after[j], j + 1
        blocks.append((inner, outer))
    return blocks


def _tie_parts(ids: NDArray[np.int64], dims: Sequence[int], classes: Classes, reason: str) -> None:
    """Unites labels along all of `dims` but the last along which classes differ."""
    roots = classes.find(ids)
    differing = [dim for dim in dims if (roots != np.take(roots, [0], axis=dim)).any()]
    for dim in differing[:-1]:
        classes.tie(ids, dim, reason)


def join(result: Labels, dims: Dims, ids: NDArray[np.int64], classes: Classes, reason: str) -> None:
    """Adds an entry to labels; of two that vary along the same dimensions both are pinned: elements have two labels."""
    if dims in result:
        classes.pin(ids, reason)
        classes.pin(result[dims], reason)
    else:
        result[dims] = ids
