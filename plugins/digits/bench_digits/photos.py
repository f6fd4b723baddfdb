"""The backgrounds: real photos that scikit-image and scikit-learn ship in their wheels."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from bench_digits.package_files import package_file
from bench_digits.sprites import Split

Photo = NDArray[np.uint8]

# Photos with writing or with digits in them (a page, a clock) are left out on purpose.
PHOTOS: dict[Split, tuple[str, ...]] = {
    "train": (
        "skimage/data/astronaut.png",
        "skimage/data/coffee.png",
        "skimage/data/brick.png",
        "skimage/data/grass.png",
        "skimage/data/ihc.png",
        "skimage/data/motorcycle_left.png",
        "skimage/data/coins.png",
        "sklearn/datasets/images/china.jpg",
    ),
    "val": ("skimage/data/chelsea.png", "skimage/data/gravel.png"),
    "test": (
        "skimage/data/rocket.jpg",
        "skimage/data/hubble_deep_field.jpg",
        "skimage/data/camera.png",
        "skimage/data/retina.jpg",
        "sklearn/datasets/images/flower.jpg",
    ),
}
"""Package paths of the photos of each split; no photo is in two."""

_SCALES = (1.0, 1.6, 2.5)
"""How much of a photo a crop shows: its shorter side is so many crops wide or more."""


@cache
def load_backgrounds(split: Split, size: int) -> tuple[Photo, ...]:
    """Returns the photos of a split at several scales, RGB uint8 [h, w, 3], each side at least `size` pixels.

    A background is then a plain slice: nothing is resized for a scene.
    """
    return tuple(_scaled(_read(name), size, scale) for name in PHOTOS[split] for scale in _SCALES)


def photo_bytes(split: Split) -> list[bytes]:
    """Returns the photos' files as they lie on disk, for the fingerprint."""
    return [package_file(name).read_bytes() for name in PHOTOS[split]]


def _read(name: str) -> Photo:
    content = np.frombuffer(package_file(name).read_bytes(), dtype=np.uint8)
    image = cv2.imdecode(content, cv2.IMREAD_COLOR)
    if image is None:
        message = f"{name} is not an image"
        raise ValueError(message)
    rgb: Photo = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
    return rgb


def _scaled(photo: Photo, size: int, scale: float) -> Photo:
    factor = size * scale / min(photo.shape[:2])
    height, width = (max(size, round(side * factor)) for side in photo.shape[:2])
    scaled: Photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    return scaled
