"""From the values of a label file to class numbers; torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harness.errors import DataError

Labels = NDArray[np.uint8]
Colour = tuple[int, int, int]

_SHOWN = 5
_UNKNOWN = 254
"""No data set has that many classes."""


@dataclass(frozen=True)
class IndexTable:
    """Class numbers of label files that hold one value a pixel, whether they have a palette or not.

    Attributes:
        numbers: Class number, or ignored label, by value in the file.
        hint: What to do if a file holds another value.
    """

    numbers: Mapping[int, int]
    hint: str

    @cached_property
    def _table(self) -> Labels:
        table = np.full(256, _UNKNOWN, dtype=np.uint8)
        table[list(self.numbers)] = list(self.numbers.values())
        return table

    def read(self, path: Path) -> Labels:
        """Returns the class numbers [H, W] of a file.

        Raises:
            DataError: It cannot be read, has more than one channel or holds a value that is not in the table.
        """
        values = _pixels(path)
        if values.ndim != 2 or values.dtype != np.uint8:  # noqa: PLR2004 - rows and columns
            message = f"labels {path}: expected one 8-bit value a pixel, found {_form(values)}"
            raise DataError(message, self.hint)
        numbers: Labels = self._table[values]
        if (numbers == _UNKNOWN).any():
            wrong = sorted(set(values[numbers == _UNKNOWN].tolist()))
            message = f"labels {path}: holds {_few(wrong)}; expected {_ranges(sorted(self.numbers))}"
            raise DataError(message, self.hint)
        return numbers


@dataclass(frozen=True)
class ColourTable:
    """Class numbers of label files that are painted, one colour a class, matched exactly.

    Attributes:
        numbers: Class number by (red, green, blue).
        others: What every other colour becomes.
    """

    numbers: Mapping[Colour, int]
    others: int

    def read(self, path: Path) -> Labels:
        """Returns the class numbers [H, W] of a file.

        Raises:
            DataError: It cannot be read or is no RGB image.
        """
        values = _pixels(path)
        if values.ndim != 3 or values.shape[2] not in (3, 4):  # noqa: PLR2004 - rows, columns and RGB or RGBA
            message = f"labels {path}: expected a painted RGB image, found {_form(values)}"
            raise DataError(message, "Label maps with class numbers are the other layout.")
        codes = values[..., :3].astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], dtype=np.uint32)
        numbers = np.full(codes.shape, self.others, dtype=np.uint8)
        for (red, green, blue), number in self.numbers.items():
            numbers[codes == (red << 16 | green << 8 | blue)] = number
        return numbers


def _pixels(path: Path) -> NDArray[np.generic]:
    """Returns what a file holds: [H, W] of plain and palette images, [H, W, channels] of others."""
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except (OSError, SyntaxError, ValueError) as error:
        message = f"labels {path}: cannot be read: {error}"
        raise DataError(message, "Copy it again from the original archive.") from error


def _form(values: NDArray[np.generic]) -> str:
    channels = values.shape[2] if values.ndim > 2 else 1  # noqa: PLR2004 - rows and columns
    return f"{channels} channels of {values.dtype}"


def _few(values: list[int]) -> str:
    return ", ".join(map(str, values[:_SHOWN])) + (f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else "")


def _ranges(values: list[int]) -> str:
    """Returns `0..18 or 255` of ascending values."""
    parts: list[list[int]] = []
    for value in values:
        if parts and parts[-1][-1] == value - 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    return " or ".join(f"{part[0]}..{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
