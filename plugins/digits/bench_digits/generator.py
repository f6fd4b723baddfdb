"""The generator: from (split, seed, size, index) to a scene."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bench_digits.photos import load_backgrounds
from bench_digits.scene import IGNORE_INDEX, Scene
from bench_digits.sprites import DIGIT_SIDE, SPRITE_CENTRE, Split, load_sprites

Canvas = NDArray[np.float32]
Draws = NDArray[np.float64]

_SPLIT_NUMBERS: dict[Split, int] = {"train": 0, "val": 1, "test": 2}
_SIDES = {1: (26.0, 44.0), 2: (22.0, 34.0), 3: (20.0, 28.0)}
"""Smallest and largest side of a sprite in a scene of 64 pixels, by the number of digits in it."""

_LARGEST_ANGLE, _LARGEST_SHEAR = math.radians(20), 0.25
_TRIES = 6
_DISTRACTOR_PROBABILITY = 0.5
_OPAQUE = 0.5
_SMALLEST_VISIBLE_SHARE, _SMALLEST_VISIBLE_PIXELS = 0.3, 12
_LUMINANCE = np.array([0.299, 0.587, 0.114], dtype=np.float32)
_NOISE_STREAM = 1
_CHANNEL_ORDERS = tuple(list(order) for order in itertools.permutations(range(3)))


class _Placed(NamedTuple):
    """A sprite on the canvas: centre, side and whether it is a digit."""

    x: float
    y: float
    side: float
    is_digit: bool


@dataclass(frozen=True)
class SceneGenerator:
    """Scenes of one split; equal arguments give equal scenes, in any order and in any process.

    Attributes:
        split: Which digits and photos are used; no two splits share any.
        seed: Seed of all scenes.
        size: Height and width in pixels, at least 32.
        noise: Standard deviation of the noise in `Scene.noisy`, in grey levels.

    Raises:
        ValueError: The split does not exist, the size is too small, or the seed or the noise is negative.
    """

    split: Split
    seed: int = 0
    size: int = 64
    noise: float = 25.0

    def __post_init__(self) -> None:
        if self.split not in _SPLIT_NUMBERS:
            message = f"split must be one of {', '.join(_SPLIT_NUMBERS)}, not {self.split!r}"
            raise ValueError(message)
        if self.size < 32:
            message = f"size must be at least 32 pixels, not {self.size}"
            raise ValueError(message)
        if self.seed < 0:
            message = f"seed must be at least 0, not {self.seed}"
            raise ValueError(message)
        if self.noise < 0:
            message = f"noise must be at least 0 grey levels, not {self.noise}"
            raise ValueError(message)

    def scene(self, index: int) -> Scene:
        """Returns scene `index`.

        Raises:
            ValueError: The index is negative.
        """
        if index < 0:
            message = f"index of a scene must be at least 0, not {index}"
            raise ValueError(message)
        key = (self.seed, _SPLIT_NUMBERS[self.split], self.size, index)
        generator = np.random.default_rng(key)
        canvas = self._background(generator.random(6))
        count = int(generator.integers(1, 4))
        has_distractor = bool(generator.random() < _DISTRACTOR_PROBABILITY)
        owner = np.zeros((self.size, self.size), dtype=np.uint8)
        labels, inked, placed = [], [], list[_Placed]()
        distractor_at = int(generator.integers(count + 1)) if has_distractor else -1
        for number in range(count + has_distractor):
            is_digit = number != distractor_at
            position = self._place(generator.random(3 * _TRIES), count, placed, is_digit)
            if position is None:
                continue
            placed.append(position)
            label, opaque = self._paste(canvas, position, generator.random(9))
            if is_digit:
                labels.append(label)
                inked.append(int(np.count_nonzero(opaque)))
            owner[opaque] = len(labels) if is_digit else 0
        mask, boxes, visible = _describe(owner, labels, inked)
        return Scene(
            image=np.rint(canvas).astype(np.uint8),
            mask=mask,
            boxes=boxes,
            labels=visible,
            noise=self.noise,
            noise_seed=(*key, _NOISE_STREAM),
        )

    def _background(self, draws: Draws) -> Canvas:
        """Returns a crop of a photo, turned, with its colours exchanged: few photos go a long way."""
        photos = load_backgrounds(self.split, self.size)
        photo = photos[int(draws[0] * len(photos))]
        top = int(draws[1] * (photo.shape[0] - self.size + 1))
        left = int(draws[2] * (photo.shape[1] - self.size + 1))
        crop = photo[top : top + self.size, left : left + self.size]
        turned = np.rot90(crop, int(draws[3] * 4))
        channels = _CHANNEL_ORDERS[int(draws[4] * len(_CHANNEL_ORDERS))]
        canvas: Canvas = turned[..., channels].astype(np.float32) * np.float32(0.7 + 0.3 * draws[5])
        return canvas

    def _place(self, draws: Draws, count: int, placed: list[_Placed], is_digit: bool) -> _Placed | None:
        """Returns a place that overlaps no earlier one much; `None` for a distractor that finds none.

        A digit that finds none in all tries takes the place that is farthest from the others.
        """
        smallest, largest = (side * self.size / 64 for side in _SIDES[count])
        best, best_gap = None, -math.inf
        for share, along, down in draws.reshape(_TRIES, 3):
            side = smallest + share * (largest - smallest)
            margin = 0.42 * side
            x = margin + along * (self.size - 2 * margin)
            y = margin + down * (self.size - 2 * margin)
            gap = min(
                (math.hypot(x - other.x, y - other.y) - 0.4 * (side + other.side) for other in placed), default=1.0
            )
            if gap > best_gap:
                best, best_gap = _Placed(x, y, side, is_digit), gap
            if gap >= 0:
                return best
        return best if is_digit else None

    def _paste(self, canvas: Canvas, position: _Placed, draws: Draws) -> tuple[int, NDArray[np.bool_]]:
        """Paints a sprite onto the canvas and returns its label and where it is opaque, [H, W]."""
        sprites = load_sprites(self.split)
        chosen = int(draws[0] * len(sprites.labels))
        sprite = (sprites.opacity if position.is_digit else sprites.shuffled)[chosen]
        transform = _transform(position, angle=2 * draws[1] - 1, shear=2 * draws[2] - 1)
        opacity = cv2.warpAffine(sprite, transform, (self.size, self.size), flags=cv2.INTER_LINEAR)
        colour = _contrasting_colour(canvas, opacity, draws[3:])
        canvas += opacity[..., None] * (colour - canvas)
        return int(sprites.labels[chosen]), opacity > _OPAQUE


def _transform(position: _Placed, angle: float, shear: float) -> NDArray[np.float64]:
    """Returns the 2x3 matrix from a sprite's pixels to the canvas."""
    scale = position.side / DIGIT_SIDE
    turn, slant = angle * _LARGEST_ANGLE, shear * _LARGEST_SHEAR
    cosine, sine = math.cos(turn) * scale, math.sin(turn) * scale
    a, b = cosine, cosine * slant - sine
    c, d = sine, sine * slant + cosine
    x = position.x - (a + b) * SPRITE_CENTRE
    y = position.y - (c + d) * SPRITE_CENTRE
    return np.array([[a, b, x], [c, d, y]])


def _contrasting_colour(canvas: Canvas, opacity: Canvas, draws: Draws) -> Canvas:
    """Returns an RGB colour that is clearly darker or brighter than what it will cover, [3]."""
    local = np.tensordot(opacity, canvas, axes=2) / opacity.sum()
    brightness = float(local @ _LUMINANCE)
    contrast = 95 + 65 * draws[0]
    brighter = brightness < 110 or (brightness < 145 and draws[1] < 0.5)
    target = brightness + contrast if brighter else brightness - contrast
    tint = (draws[2:5] - 0.5) * 90
    colour: Canvas = (target + tint - tint @ _LUMINANCE).clip(0, 255).astype(np.float32)
    return colour


def _describe(
    owner: NDArray[np.uint8], labels: list[int], inked: list[int]
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.int64]]:
    """Returns mask, boxes and labels of what is visible; what is left of a covered digit is ignored.

    Args:
        owner: [H, W]: 0 or 1 + number of the digit that is on top.
        labels: Digits by number.
        inked: How many pixels each digit had before others covered it.
    """
    values = np.zeros(len(labels) + 1, dtype=np.uint8)
    boxes, visible = [], []
    for number, (label, total) in enumerate(zip(labels, inked, strict=True), start=1):
        rows, columns = np.nonzero(owner == number)
        if len(rows) < max(_SMALLEST_VISIBLE_PIXELS, _SMALLEST_VISIBLE_SHARE * total):
            values[number] = IGNORE_INDEX
            continue
        values[number] = label + 1
        boxes.append((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
        visible.append(label)
    return (
        values[owner],
        np.array(boxes, dtype=np.float32).reshape(-1, 4),
        np.array(visible, dtype=np.int64),
    )
