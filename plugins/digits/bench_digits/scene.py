"""One scene: an image and everything that is known about it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

CLASSES = ("background", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
"""Class names; the index is the value in a mask."""

PALETTE = (
    (0, 0, 0), (230, 25, 75), (60, 180, 75), (255, 225, 25), (0, 130, 200), (245, 130, 48),
    (145, 30, 180), (70, 240, 240), (240, 50, 230), (210, 245, 60), (170, 110, 40),
)  # fmt: skip
"""One RGB colour a class."""

IGNORE_INDEX = 255
"""Mask value of pixels that count nowhere."""


@dataclass(frozen=True, eq=False)  # arrays have no single truth value to compare by
class Scene:
    """An image with its mask and boxes.

    Attributes:
        image: RGB, uint8 [H, W, 3].
        mask: uint8 [H, W]: 0 background, 1 + digit, 255 where only a sliver of a digit is visible.
        boxes: float32 [n, 4], (x1, y1, x2, y2) in pixels around what is visible of each digit; x2 and y2 are behind
            its last pixel.
        labels: int64 [n], the digits 0..9 in the boxes.
        noise: Standard deviation of the noise in `noisy`, in grey levels (0..255).
        noise_seed: Seed of that noise.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    labels: NDArray[np.int64]
    noise: float
    noise_seed: tuple[int, ...]

    @cached_property
    def noisy(self) -> NDArray[np.uint8]:
        """The image with additive Gaussian noise, rounded and clipped to 0..255; uint8 [H, W, 3]."""
        generator = np.random.default_rng(self.noise_seed)
        noise = generator.standard_normal(self.image.shape, dtype=np.float32) * np.float32(self.noise)
        noisy: NDArray[np.uint8] = np.rint(self.image + noise).clip(0, 255).astype(np.uint8)
        return noisy
