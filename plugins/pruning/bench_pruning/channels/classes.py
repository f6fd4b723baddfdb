"""Labels united into classes: a union-find over whole arrays, with the reasons why a class must stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

CONSTANT = 0
"""The label of what belongs to no channel: an element of a tensor that never vanishes."""


class Classes:
    """Labels, counted from 1, and which of them stand and fall together."""

    def __init__(self) -> None:
        self._parent = np.zeros(1024, dtype=np.int64)
        self._stays = np.zeros(1024, dtype=bool)
        self._size = 1
        self._pins: list[tuple[NDArray[np.int64], str]] = []
        self._mixing: list[tuple[NDArray[np.int64], str]] = []

    def __len__(self) -> int:
        return self._size

    def add(self, count: int) -> NDArray[np.int64]:
        """Returns `count` new labels, each a class of its own, [count]."""
        first, self._size = self._size, self._size + count
        while self._size > len(self._parent):
            self._parent = np.concatenate([self._parent, np.zeros_like(self._parent)])
            self._stays = np.concatenate([self._stays, np.zeros_like(self._stays)])
        ids = np.arange(first, self._size, dtype=np.int64)
        self._parent[ids] = ids
        return ids

    def find(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Returns the representative of each label's class, in the same shape."""
        labels = np.asarray(ids)
        roots: NDArray[np.int64] = self._parent[labels]
        while True:
            above = self._parent[roots]
            if np.array_equal(above, roots):
                break
            roots = above
        self._parent[labels] = roots
        return roots

    def unite(self, one: ArrayLike, other: ArrayLike, reason: str) -> None:
        """Unites labels element by element; the arrays are broadcast. What meets a constant is pinned.

        Args:
            one: Labels.
            other: Labels.
            reason: Why a channel must stay that meets a constant.
        """
        first, second = (array.ravel() for array in np.broadcast_arrays(self.find(one), self.find(other)))
        constant = (first == CONSTANT) != (second == CONSTANT)
        if constant.any():
            self.pin(np.maximum(first, second)[constant], reason)
        first, second = first[~constant], second[~constant]
        met = np.concatenate([first, second])
        while True:
            apart = first != second
            if not apart.any():
                break
            first, second = first[apart], second[apart]
            # Of several writes to one representative one wins; the next round unites the others.
            self._parent[np.maximum(first, second)] = np.minimum(first, second)
            first, second = self.find(first), self.find(second)
        self._stays[self.find(met[self._stays[met]])] = True

    def tie(self, ids: NDArray[np.int64], axis: int, reason: str) -> None:
        """Unites all labels along an axis with those at its first position."""
        self.unite(ids, np.take(ids, [0], axis=axis), reason)

    def pin(self, ids: ArrayLike, reason: str) -> None:
        """Says that the classes of these labels must stay; the first reason given to a class counts."""
        labels = np.unique(np.asarray(ids))
        labels = labels[labels != CONSTANT]
        if len(labels):
            self._pins.append((labels, reason))
            self._stays[self.find(labels)] = True

    def all_stay(self, ids: ArrayLike) -> bool:
        """Returns whether every one of these labels is pinned, or none at all."""
        roots = self.find(ids)
        return bool((self._stays[roots] | (roots == CONSTANT)).all())

    def mix(self, ids: ArrayLike, reason: str) -> None:
        """Says that a statistic is taken over channels of these labels."""
        labels = np.unique(np.asarray(ids))
        self._mixing.append((labels[labels != CONSTANT], reason))

    def pins(self) -> dict[int, str]:
        """Returns the reason of each class that must stay, by its representative."""
        return self._reasons(self._pins)

    def mixing(self) -> dict[int, str]:
        """Returns where each class's channels are mixed, by its representative."""
        return self._reasons(self._mixing)

    def _reasons(self, noted: Iterable[tuple[NDArray[np.int64], str]]) -> dict[int, str]:
        reasons: dict[int, str] = {}
        for labels, reason in noted:
            for root in np.unique(self.find(labels)).tolist():
                reasons.setdefault(root, reason)
        return reasons
