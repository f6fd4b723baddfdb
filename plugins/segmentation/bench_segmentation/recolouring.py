"""The photometric augmentation of training scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

CONTRAST = (0.6, 1.3)
LARGEST_SHIFT = 30.0
INVERSION_PROBABILITY = 0.5
_LEVELS = np.arange(256.0)
_MIDDLE = 127.5


def recolour(image: NDArray[np.uint8], generator: np.random.Generator) -> NDArray[Any]:
    """Returns the image with its channels shuffled, perhaps inverted, and each with its own contrast.

    The backgrounds of the training split are few photos; without new colours a network learns these photos
    instead of what a background is. Shapes and labels stay as they are (a flipped digit would not).

    Args:
        image: uint8 [H, W, 3].
        generator: Source of all draws.
    """
    contrast = generator.uniform(*CONTRAST, size=(3, 1))
    shift = generator.uniform(-LARGEST_SHIFT, LARGEST_SHIFT, size=(3, 1))
    sign = -1.0 if generator.random() < INVERSION_PROBABILITY else 1.0
    # One table of 256 values a channel: cheaper than arithmetic on every pixel.
    tables = (sign * contrast * (_LEVELS - _MIDDLE) + _MIDDLE + shift).clip(0, 255).astype(np.uint8)
    order = generator.permutation(3)
    return np.stack([tables[target][image[:, :, source]] for target, source in enumerate(order)], axis=-1)
