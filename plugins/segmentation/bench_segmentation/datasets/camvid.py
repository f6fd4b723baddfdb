"""CamVid: 11 classes of streets (Brostow et al., 2009), in the two layouts that are in use."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from bench_segmentation.datasets.label_table import Colour, ColourTable, IndexTable
from bench_segmentation.datasets.listing import IGNORED, LabelledFolder, Pair
from bench_segmentation.datasets.options import CamVidOptions
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.registry.dataset import Split

CLASSES: dict[str, Colour] = {
    "Sky": (128, 128, 128),
    "Building": (128, 0, 0),
    "Column_Pole": (192, 192, 128),
    "Road": (128, 64, 128),
    "Sidewalk": (0, 0, 192),
    "Tree": (128, 128, 0),
    "SignSymbol": (192, 128, 128),
    "Fence": (64, 64, 128),
    "Car": (64, 0, 128),
    "Pedestrian": (64, 64, 0),
    "Bicyclist": (0, 128, 192),
}

UNLABELLED = 11
"""Value of the twelfth label in index maps."""

_HINT = "Index label maps hold 0..10 for the classes and 11 for unlabelled pixels."


class CamVid(LabelledFolder[CamVidOptions]):
    """Index label maps in `trainannot/`, ..., or painted ones in `train_labels/<stem>_L.png`, ....

    In the painted layout colours are matched exactly; all but the 11 of the table are ignored.
    """

    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((72, 96),)

    @property
    def ignored(self) -> int:  # type: ignore[override]
        """255, or 11 if the unlabelled pixels are an output of the network."""
        return UNLABELLED if self.options.classes > UNLABELLED else IGNORED

    @property
    def classes(self) -> tuple[str, ...]:
        """The 11 classes, with `Unlabelled` in the 12-class form."""
        return (*CLASSES, "Unlabelled")[: self.options.classes]

    @property
    def palette(self) -> tuple[Colour, ...]:
        """The colours of the painted label maps."""
        return (*CLASSES.values(), (0, 0, 0))[: self.options.classes]

    @property
    def table(self) -> IndexTable | ColourTable:
        """Values 0..10 and 11, or colours."""
        if self.layout == "rgb":
            return ColourTable({colour: number for number, colour in enumerate(CLASSES.values())}, self.ignored)
        numbers = {number: number for number in range(len(CLASSES))}
        return IndexTable({**numbers, UNLABELLED: self.ignored, IGNORED: self.ignored}, _HINT)

    @property
    def layout(self) -> Literal["index", "rgb"]:
        """The layout that was asked for, or is there.

        Raises:
            DataError: There is neither, or both.
        """
        if self.options.layout != "auto":
            return self.options.layout
        index, painted = (self.root / "trainannot").is_dir(), (self.root / "train_labels").is_dir()
        if index == painted:
            which = "both of" if index else "neither of"
            message = f"camvid: {self.root} has {which} the label folders trainannot and train_labels"
            raise DataError(message, "Set the option `layout` to index or rgb.")
        return "index" if index else "rgb"

    @property
    def tree(self) -> str:
        """Both layouts."""
        return """ROOT, with index label maps (layout index)
├── train/<name>.png        train 367, val 101, test 233 images
├── trainannot/<name>.png   one value a pixel: 0..10 the classes, 11 unlabelled
├── val, valannot
└── test, testannot
or painted ones (layout rgb)
├── train/<name>.png
├── train_labels/<name>_L.png   RGB, one colour a class
├── val, val_labels
└── test, test_labels"""

    def pairs(self, split: Split) -> list[Pair]:
        """Returns the images of a split's folder."""
        self.require_split(split)
        return [Pair(image, self._labels(split, image.stem)) for image in self.files(self.root / split, "*.png")]

    def place(self, split: Split, index: int) -> Pair:
        """Returns files named as the sequences of the original are; without a layout, index label maps."""
        stem = f"0001TP_{index:06d}"
        return Pair(self.root / split / f"{stem}.png", self._labels(split, stem))

    def _labels(self, split: str, stem: str) -> Path:
        if self.layout == "rgb":
            return self.root / f"{split}_labels" / f"{stem}_L.png"
        return self.root / f"{split}annot" / f"{stem}.png"
