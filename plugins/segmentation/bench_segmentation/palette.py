"""The colours of classes, also of data sets that have none."""

from __future__ import annotations

import colorsys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta

Colour = tuple[int, int, int]

_GOLDEN = (5**0.5 - 1) / 2  # of the circle of hues: the next one falls into the largest gap that is left
_SATURATIONS, _VALUES = (0.85, 0.6), (0.9, 0.65, 0.4)


def colours_of(meta: DatasetMeta) -> tuple[Colour, ...]:
    """Returns one RGB colour a class: those of the palette, and made ones for classes that it does not have.

    Made ones depend on the class's number alone; none is grey or white.
    """
    made = (_made(number) for number in range(len(meta.palette), len(meta.classes)))
    return (*meta.palette, *made)


def _made(number: int) -> Colour:
    saturation = _SATURATIONS[number % len(_SATURATIONS)]
    red, green, blue = colorsys.hsv_to_rgb(number * _GOLDEN % 1, saturation, _VALUES[number % len(_VALUES)])
    return round(255 * red), round(255 * green), round(255 * blue)
