"""Pascal VOC 2012 segmentation: background and 20 classes (Everingham et al., 2012)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench_segmentation.datasets.label_table import Colour, IndexTable
from bench_segmentation.datasets.listing import IGNORED, LabelledFolder, Pair
from bench_segmentation.datasets.options import VOCOptions

if TYPE_CHECKING:
    from harness.registry.dataset import Split

CLASSES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

_HINT = "SegmentationClass holds palette PNGs with 0..20 and 255 for the borders; painted copies do not do."
_BITS = 8


def palette_colour(number: int) -> Colour:
    """Returns a class's colour: the bits of its number, three at a time, become the highest bits of the channels.

    Example:
        >>> palette_colour(15)
        (192, 128, 128)
    """
    red = green = blue = 0
    for place in range(_BITS):
        bits = number >> 3 * place
        shift = _BITS - 1 - place
        red |= (bits & 1) << shift
        green |= (bits >> 1 & 1) << shift
        blue |= (bits >> 2 & 1) << shift
    return red, green, blue


class VOC(LabelledFolder[VOCOptions]):
    """`JPEGImages`, `SegmentationClass` and the lists of `ImageSets/Segmentation`; reports use val."""

    splits: ClassVar[tuple[Split, ...]] = ("train", "val")
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((75, 100), (100, 75), (66, 100))
    painted_labels: ClassVar[bool] = True

    @property
    def base(self) -> Path:
        """`VOCdevkit/VOC2012` or `VOC2012` below the root, where there is one, else the root."""
        inner = (self.root / "VOCdevkit" / "VOC2012", self.root / "VOC2012")
        return next((folder for folder in inner if folder.is_dir()), self.root)

    @property
    def classes(self) -> tuple[str, ...]:
        """Background and 20 classes."""
        return CLASSES

    @property
    def palette(self) -> tuple[Colour, ...]:
        """The colours of the original palette."""
        return tuple(map(palette_colour, range(len(CLASSES))))

    @property
    def table(self) -> IndexTable:
        """Class numbers, 255 on borders."""
        return IndexTable({**{number: number for number in range(len(CLASSES))}, IGNORED: IGNORED}, _HINT)

    @property
    def tree(self) -> str:
        """The archive VOCtrainval_11-May-2012, or the folder VOC2012 of it."""
        return """ROOT (or ROOT/VOC2012, or ROOT/VOCdevkit/VOC2012)
├── ImageSets/Segmentation/train.txt, val.txt   one name a line: 1464 and 1449
├── JPEGImages/<name>.jpg
└── SegmentationClass/<name>.png                palette PNGs: 0..20, and 255 on borders
The test split has no labels: reports use val."""

    def pairs(self, split: Split) -> list[Pair]:
        """Returns the images of a split's list."""
        self.require_split(split, "The labels of its test split are not public; reports use val.")
        return [self._pair(name) for name in self.lines(self._list(split))]

    def place(self, split: Split, index: int) -> Pair:
        """Returns files named by a year and a number, as the original's."""
        return self._pair(f"{2007 + self.splits.index(split)}_{index:06d}")

    def write_lists(self, samples: Mapping[Split, Sequence[Pair]]) -> None:
        """Writes the lists of names."""
        for split, pairs in samples.items():
            path = self._list(split)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{pair.image.stem}\n" for pair in pairs), encoding="utf-8")

    def _list(self, split: str) -> Path:
        return self.base / "ImageSets" / "Segmentation" / f"{split}.txt"

    def _pair(self, name: str) -> Pair:
        return Pair(self.base / "JPEGImages" / f"{name}.jpg", self.base / "SegmentationClass" / f"{name}.png")
