"""The digits: scikit-learn's real handwritten ones, split by class, and their shuffled doubles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from bench_digits.package_files import package_file

Split = Literal["train", "val", "test"]
Sprites = NDArray[np.float32]

_TEST_SHARE, _VALIDATION_SHARE = 0.25, 0.14
_UPSAMPLING = 4
_FAINTEST, _SOFTNESS = 0.2, 0.5
"""Ink where opacity begins, and from there to full; a steeper or later ramp breaks thin strokes."""
_SHUFFLES = ((3, 2, 1, 0), (1, 0, 3, 2), (1, 3, 0, 2), (1, 2, 3, 0))
"""Orders of the quadrants (upper left, upper right, lower left, lower right) in which none stays in its place.

Halves swapped as a whole, (2, 3, 0, 1), would turn a 1 into a 1 and an 8 into an 8.
"""

DIGIT_SIDE = 8 * _UPSAMPLING
"""Pixels of a sprite that its digit spans; around it lies an empty border, as digits touch their 8x8 frame."""

SPRITE_SIDE = DIGIT_SIDE + 2 * _UPSAMPLING
SPRITE_CENTRE = (SPRITE_SIDE - 1) / 2


@dataclass(frozen=True)
class SpriteSet:
    """The digits of one split.

    Attributes:
        opacity: float32 [n, 40, 40], 0 transparent .. 1 opaque.
        shuffled: float32 [n, 40, 40]: each digit with its quadrants in another order.
        labels: int64 [n], 0..9.
        indices: int64 [n], which of scikit-learn's digits they are.
    """

    opacity: Sprites
    shuffled: Sprites
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]


@cache
def source_digits() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Returns scikit-learn's 1,797 digits, [1797, 8, 8] in 0..16, and their labels [1797]."""
    table = np.loadtxt(package_file("sklearn/datasets/data/digits.csv.gz"), delimiter=",")
    return table[:, :-1].reshape(-1, 8, 8), table[:, -1].astype(np.int64)


@cache
def load_sprites(split: Split) -> SpriteSet:
    """Returns the digits of a split; about 1,100 / 250 / 447 of them, every class in proportion."""
    images, labels = source_digits()
    indices = _split_indices(labels)[split]
    small = [images[index].astype(np.float32) / 16 for index in indices]
    shuffled = [_shuffle(sprite, _SHUFFLES[number % len(_SHUFFLES)]) for number, sprite in enumerate(small)]
    return SpriteSet(
        opacity=np.stack([_smooth(sprite) for sprite in small]),
        shuffled=np.stack([_smooth(sprite) for sprite in shuffled]),
        labels=labels[indices],
        indices=indices,
    )


def _split_indices(labels: NDArray[np.int64]) -> dict[Split, NDArray[np.int64]]:
    """The split never changes: it does not depend on the seed of the scenes."""
    generator = np.random.default_rng(20240607)
    parts: dict[Split, list[NDArray[np.int64]]] = {"train": [], "val": [], "test": []}
    for digit in range(10):
        members = generator.permutation(np.flatnonzero(labels == digit))
        test, validation = round(len(members) * _TEST_SHARE), round(len(members) * _VALIDATION_SHARE)
        parts["test"].append(members[:test])
        parts["val"].append(members[test : test + validation])
        parts["train"].append(members[test + validation :])
    return {name: np.sort(np.concatenate(members)) for name, members in parts.items()}


def _shuffle(sprite: Sprites, order: tuple[int, int, int, int]) -> Sprites:
    quadrants = (sprite[:4, :4], sprite[:4, 4:], sprite[4:, :4], sprite[4:, 4:])
    upper_left, upper_right, lower_left, lower_right = (quadrants[index] for index in order)
    return np.block([[upper_left, upper_right], [lower_left, lower_right]])


def _smooth(sprite: Sprites) -> Sprites:
    """Returns the sprite four times as large with a border and soft but definite edges, [40, 40]."""
    large = cv2.resize(np.pad(sprite, 1), (SPRITE_SIDE, SPRITE_SIDE), interpolation=cv2.INTER_CUBIC)
    definite: Sprites = ((large - _FAINTEST) / _SOFTNESS).clip(0, 1).astype(np.float32)
    return definite
