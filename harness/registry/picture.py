"""What a task paints of a sample: panels of one size, side by side. Torch-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour = tuple[int, int, int]
"""RGB, 0..255."""


@dataclass(frozen=True, kw_only=True)
class Swatch:
    """One entry of a legend.

    Attributes:
        label: What the colour stands for.
        colour: The colour.
    """

    label: str
    colour: Colour


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One view of a sample.

    Attributes:
        title: What it shows, e.g. `"input"` or the name of a model.
        pixels: RGB, uint8 [H, W, 3]; all panels of a picture have one size.
        note: A figure to stand below the title, e.g. `"81.2% of pixels right"`.
        key: What its colours stand for, where the picture's legend does not say so.
    """

    title: str
    pixels: NDArray[Any]
    note: str = ""
    key: tuple[Swatch, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One sample, as people look at it.

    Attributes:
        sample: What to call the sample, e.g. the name of its file; empty where it has none.
        panels: From left to right: the input, its label, one a model, and where two models differ.
        legend: What the colours stand for, of those that occur.
    """

    sample: str
    panels: tuple[Panel, ...]
    legend: tuple[Swatch, ...] = ()
