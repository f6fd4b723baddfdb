"""The label values of WildScenes and the two ways to number its classes (Vidanapathirana et al., 2024)."""

from __future__ import annotations

from bench_segmentation.datasets.label_table import Colour
from bench_segmentation.datasets.listing import IGNORED

RAW: dict[str, Colour] = {
    "unlabelled": (0, 0, 0),
    "asphalt/concrete": (255, 165, 0),
    "dirt": (60, 180, 75),
    "mud": (255, 225, 25),
    "water": (0, 130, 200),
    "gravel": (145, 30, 180),
    "other-terrain": (70, 240, 240),
    "tree-trunk": (240, 50, 230),
    "tree-foliage": (210, 245, 60),
    "bush": (230, 25, 75),
    "fence": (0, 128, 128),
    "other-structure": (170, 110, 40),
    "pole": (255, 250, 200),
    "vehicle": (128, 0, 0),
    "rock": (170, 255, 195),
    "log": (128, 128, 0),
    "other-object": (250, 190, 190),
    "sky": (0, 0, 128),
    "grass": (128, 128, 128),
}
"""Names and colours of the values 0..18 of indexLabel files."""

MERGED = {
    "asphalt/concrete": "other-terrain",
    "other-structure": "structure",
    "pole": "object",
    "other-object": "object",
    "vehicle": None,
    "unlabelled": None,
}
"""What the benchmark puts together; `None` is ignored."""

_COLOURED_AS = {"structure": "other-structure", "object": "other-object"}


def _official() -> dict[str, Colour]:
    names = {MERGED.get(name, name) for name in RAW} - {None}
    return {name: RAW[_COLOURED_AS.get(name, name)] for name in sorted(filter(None, names))}


OFFICIAL = _official()
"""The benchmark's 15 classes, alphabetical, with their colours."""


def _official_numbers() -> dict[int, int]:
    order = list(OFFICIAL)
    targets = [MERGED.get(name, name) for name in RAW]
    return {value: IGNORED if target is None else order.index(target) for value, target in enumerate(targets)}


OFFICIAL_NUMBERS = _official_numbers()
"""Class number by raw value."""

SEED: dict[str, Colour] = {
    "dirt": (224, 31, 77),
    "mud": (64, 180, 78),
    "water": (26, 127, 127),
    "gravel": (127, 127, 127),
    "other-terrain": (145, 24, 178),
    "tree-trunk": (125, 128, 16),
    "tree-foliage": (251, 225, 48),
    "bush": (248, 190, 190),
    "fence": (89, 239, 239),
    "pole": (173, 255, 196),
    "vehicle": (19, 0, 126),
    "rock": (167, 110, 44),
    "log": (208, 245, 71),
    "other-object": (238, 47, 227),
    "grass": (40, 127, 198),
    "unlabelled": (0, 0, 0),
    "asphalt, other-structure and sky": (128, 128, 128),
}
"""The 17 outputs of the first code, by what they really are, with the colours it painted them in.

It took the raw values for alphabetical, so its own names were others; the last two were meant to be ignored, and were
trained and scored as classes.
"""

SEED_NUMBERS = {
    value: list(SEED).index(name if name in SEED else "asphalt, other-structure and sky")
    for value, name in enumerate(RAW)
}
"""The first code's class number by raw value."""
