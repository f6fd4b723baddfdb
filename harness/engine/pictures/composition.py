"""The panels of a picture on one sheet: headings above, legends below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.registry import Panel, Picture, Swatch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH = 120
MOST_CLASSES = 40
"""A legend names the most frequent ones."""

# Inches.
_EDGE, _GAP = 0.2, 0.1
_HEAD, _TITLE, _ROW = 0.62, 0.48, 0.22
_WIDTH, _WIDE, _TALLEST = 3.0, 4.2, 3.6
_WIDE_SHAPE = 1.5
_SWATCH, _LETTER = 0.17, 0.082
_INK, _FAINT, _FRAME = "#1a1a1a", "#6b6b6b", "#b8b8b8"


@dataclass(frozen=True)
class _Sheet:
    """A figure that is addressed in inches from its lower left corner."""

    figure: Figure
    width: float
    height: float

    def write(self, x: float, y: float, text: str, size: float, *, colour: str = _INK, bold: bool = False) -> None:
        """Writes text whose middle left is at (x, y)."""
        weight = "bold" if bold else "normal"
        self.figure.text(
            x / self.width, y / self.height, text, fontsize=size, color=colour, fontweight=weight, va="center",
            parse_math=False,
        )  # fmt: skip

    def swatch(self, x: float, y: float, colour: Sequence[int]) -> None:
        """Paints a small square whose middle left is at (x, y)."""
        from matplotlib.patches import Rectangle

        size = 0.75 * _SWATCH
        place = (x / self.width, (y - size / 2) / self.height)
        face = [channel / 255 for channel in colour]
        patch = Rectangle(
            place, size / self.width, size / self.height, facecolor=face, edgecolor=_FRAME, linewidth=0.5,
            transform=self.figure.transFigure,
        )  # fmt: skip
        self.figure.add_artist(patch)


def compose(picture: Picture, heading: str, subheading: str, file: Path) -> None:
    """Writes a picture as a PNG file.

    Args:
        picture: What the task painted.
        heading: First line above it.
        subheading: Second line, smaller.
        file: Where to; replaced if it is there.
    """
    from matplotlib.figure import Figure

    width, height = _panel_size(picture.panels[0])
    lefts = [_EDGE + place * (width + _GAP) for place in range(len(picture.panels))]
    across = lefts[-1] + width + _EDGE
    keys = [left for left, panel in zip(lefts, picture.panels, strict=True) if panel.key]
    legend = _Legend(picture.legend, (keys[0] - _GAP if keys else across) - _EDGE)
    rows = max(legend.rows, *(len(panel.key) for panel in picture.panels))
    bottom = _EDGE + rows * _ROW + (_GAP if rows else 0)
    total = bottom + height + _TITLE + _HEAD
    sheet = _Sheet(Figure(figsize=(across, total), dpi=DOTS_PER_INCH, facecolor="white"), across, total)
    sheet.write(_EDGE, total - 0.26, _fitting(heading, across - 2 * _EDGE, 13), 13, bold=True)
    sheet.write(_EDGE, total - 0.51, _fitting(subheading, across - 2 * _EDGE, 10), 10, colour=_FAINT)
    for left, panel in zip(lefts, picture.panels, strict=True):
        _place(sheet, panel, (left, bottom, width, height))
        sheet.write(left, bottom + height + 0.31, _fitting(panel.title, width, 10.5), 10.5, bold=True)
        sheet.write(left, bottom + height + 0.12, _fitting(panel.note, width, 9), 9, colour=_FAINT)
        _Legend(panel.key, width).draw(sheet, left, bottom - _GAP)
    legend.draw(sheet, _EDGE, bottom - _GAP)
    sheet.figure.savefig(file)


class _Legend:
    """Swatches in columns.

    Args:
        swatches: All of them; those behind the first `MOST_CLASSES` are counted and not shown.
        room: Inches from left to right.
    """

    def __init__(self, swatches: Sequence[Swatch], room: float) -> None:
        self._shown = swatches[:MOST_CLASSES]
        self._more = len(swatches) - len(self._shown)
        longest = max((len(swatch.label) for swatch in self._shown), default=0)
        self._step = 2 * _SWATCH + longest * _LETTER
        self._columns = max(1, int(room / self._step))
        self.rows = -(-(len(self._shown) + bool(self._more)) // self._columns)

    def draw(self, sheet: _Sheet, left: float, top: float) -> None:
        """Draws the legend below `top`."""
        for place, swatch in enumerate(self._shown):
            x, y = self._at(place, left, top)
            sheet.swatch(x, y, swatch.colour)
            sheet.write(x + 1.2 * _SWATCH, y, swatch.label, 9)
        if self._more:
            sheet.write(*self._at(len(self._shown), left, top), f"and {self._more} more", 9, colour=_FAINT)

    def _at(self, place: int, left: float, top: float) -> tuple[float, float]:
        row, column = divmod(place, self._columns)
        return left + column * self._step, top - (row + 0.5) * _ROW


def _place(sheet: _Sheet, panel: Panel, box: tuple[float, float, float, float]) -> None:
    """Shows the pixels in a box (left, bottom, width, height); enlarged ones stay squares."""
    left, bottom, width, height = box
    axes = sheet.figure.add_axes(
        (left / sheet.width, bottom / sheet.height, width / sheet.width, height / sheet.height)
    )
    enlarged = panel.pixels.shape[1] < width * DOTS_PER_INCH
    axes.imshow(panel.pixels, interpolation="nearest" if enlarged else "antialiased", aspect="auto")
    axes.set(xticks=[], yticks=[])
    for edge in axes.spines.values():
        edge.set(color=_FRAME, linewidth=0.6)


def _panel_size(panel: Panel) -> tuple[float, float]:
    """Returns (width, height) of a panel; wide images get wider ones, tall ones are limited in height."""
    rows, columns = panel.pixels.shape[:2]
    width = _WIDTH if columns < _WIDE_SHAPE * rows else _WIDE
    height = width * rows / columns
    shrink = min(1.0, _TALLEST / height)
    return width * shrink, height * shrink


def _fitting(text: str, room: float, size: float) -> str:
    """Returns text that is cut where there is no more room, at about 0.6 of its size a letter."""
    letters = max(8, int(room * 72 / (0.6 * size)))
    return text if len(text) <= letters else f"{text[: letters - 1]}…"
