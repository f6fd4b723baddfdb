"""Convolutions and matrix products: what they multiply, and how many channels each factor has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bench_pruning.channels.labels import Labels


@dataclass(frozen=True)
class Product:
    """MACs of one operation: `coefficient` times the widths that labels decide.

    Attributes:
        coefficient: What does not depend on channels: positions, kernel size, fixed widths.
        factors: Labels [C] of each dimension whose size is the number of channels that stay.
    """

    coefficient: int
    factors: tuple[NDArray[np.int64], ...]


def product(coefficient: int, *dims: tuple[Labels, int, int]) -> Product:
    """Returns a product of `coefficient` and the sizes of dimensions.

    Args:
        coefficient: The fixed part.
        dims: (labels, dimension, size) of each dimension that is multiplied.
    """
    factors = []
    for labels, dim, size in dims:
        ids = labels.get((dim,))
        if ids is None:
            coefficient *= size
        else:
            factors.append(ids.ravel())
    return Product(coefficient, tuple(factors))
