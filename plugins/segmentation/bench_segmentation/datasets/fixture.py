"""Small generated data sets in the layout of the real ones; torch-free.

A scene is three bands with shapes on them. Each label value has a colour of its own, under changing light and noise,
so that a network learns it within some hundred iterations. What is learnt says nothing about the real data.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bench_segmentation.datasets.label_table import Colour, ColourTable
from bench_segmentation.datasets.listing import LabelledFolder, Pair, open_folder
from bench_segmentation.datasets.voc import palette_colour

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_segmentation.datasets.options import FolderOptions
    from harness.registry.dataset import Split

USED_VALUES = 24
"""How many label values of a data set with many classes occur."""

FOREIGN_COLOUR = (64, 192, 0)
"""A colour that is in no painted table; CamVid's walls have it."""

_BANDS, _SHAPES = 3, 6
_LIGHT, _NOISE = 0.25, 12.0

Positions = NDArray[np.intp]


class _Value(NamedTuple):
    """A value of label files and the colour that it has in images."""

    raw: int | Colour
    colour: Colour


def write_fixture(
    options: FolderOptions, folder: Path, samples: int, seed: int, progress: Callable[[int, int], None]
) -> None:
    """Writes a data set that `bench datasets verify` has nothing to say against.

    Args:
        options: Validated options; their `root` does not count.
        folder: A new or empty folder.
        samples: How many of each split.
        seed: Equal seeds give equal files.
        progress: Called with (done, total) samples.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {key: value for key, value in options.fixture_options.items() if key not in options.model_fields_set}
    layout = open_folder(options.model_copy(update={**written, "root": folder}))
    values = _values(layout)
    placed: dict[Split, list[Pair]] = {}
    for number, split in enumerate(layout.splits):
        placed[split] = [layout.place(split, index) for index in range(samples)]
        for index, pair in enumerate(placed[split]):
            draws = np.random.default_rng((seed, number, index))
            numbers = scene(draws, layout.sizes[index % len(layout.sizes)], len(values))
            _write_image(pair.image, numbers, values, draws)
            _write_labels(pair.labels, numbers, values, with_palette=layout.painted_labels)
            progress(number * samples + index + 1, len(layout.splits) * samples)
    layout.write_lists(placed)


def scene(draws: np.random.Generator, size: tuple[int, int], count: int) -> Positions:
    """Returns a map [H, W] of numbers below `count`: bands, and boxes and ellipses upon them.

    Args:
        draws: Where chance comes from.
        size: (height, width) in pixels.
        count: How many different numbers there may be.
    """
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    chosen = draws.permutation(count)
    bands = np.minimum(rows * _BANDS // height, _BANDS - 1)
    numbers: Positions = chosen[bands % count]
    for place in range(_SHAPES):
        top, left = draws.random(2) * (height, width)
        tall, wide = (0.12 + 0.2 * draws.random(2)) * (height, width)
        down, across = np.abs(rows - top) / tall, np.abs(columns - left) / wide
        inside = np.maximum(down, across) < 1 if place % 2 else down**2 + across**2 < 1
        numbers[inside] = chosen[(_BANDS + place) % count]
    return numbers


def _values(layout: LabelledFolder[Any]) -> list[_Value]:
    """Returns the values that label files may hold, each with a colour; ignored ones too."""
    table = layout.table
    if isinstance(table, ColourTable):
        return [_Value(colour, colour) for colour in table.numbers] + [_Value(FOREIGN_COLOUR, FOREIGN_COLOUR)]
    raw = sorted(table.numbers)
    if len(raw) > USED_VALUES:
        raw = raw[:USED_VALUES]
    return [_Value(value, palette_colour(value + 1)) for value in raw]


def _write_image(path: Path, numbers: Positions, values: list[_Value], draws: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    light = 1 - _LIGHT * draws.random()
    colours = np.array([value.colour for value in values], dtype=np.float64)
    pixels = colours[numbers] * light + draws.normal(0, _NOISE, (*numbers.shape, 3))
    options: dict[str, Any] = {"quality": 95} if path.suffix == ".jpg" else {}
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, **options)


def _write_labels(path: Path, numbers: Positions, values: list[_Value], *, with_palette: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = Image.fromarray(np.array([value.raw for value in values], dtype=np.uint8)[numbers])
    if with_palette:
        made.putpalette([channel for number in range(256) for channel in palette_colour(number)])
    made.save(path)
