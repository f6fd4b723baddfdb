"""Cityscapes: 19 classes of streets (Cordts et al., CVPR 2016)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench_segmentation.datasets.label_table import Colour, IndexTable
from bench_segmentation.datasets.listing import IGNORED, LabelledFolder, Pair
from bench_segmentation.datasets.options import CityscapesOptions

if TYPE_CHECKING:
    from harness.registry.dataset import Split

CLASSES: dict[str, Colour] = {
    "road": (128, 64, 128),
    "sidewalk": (244, 35, 232),
    "building": (70, 70, 70),
    "wall": (102, 102, 156),
    "fence": (190, 153, 153),
    "pole": (153, 153, 153),
    "traffic light": (250, 170, 30),
    "traffic sign": (220, 220, 0),
    "vegetation": (107, 142, 35),
    "terrain": (152, 251, 152),
    "sky": (70, 130, 180),
    "person": (220, 20, 60),
    "rider": (255, 0, 0),
    "car": (0, 0, 142),
    "truck": (0, 0, 70),
    "bus": (0, 60, 100),
    "train": (0, 80, 100),
    "motorcycle": (0, 0, 230),
    "bicycle": (119, 11, 32),
}

TRAIN_IDS = (
    "Make *_gtFine_labelTrainIds.png with cityscapesScripts: `pip install cityscapesscripts`, then "
    "`CITYSCAPES_DATASET=ROOT csCreateTrainIdLabelImgs`. The *_labelIds.png of the archive are numbered otherwise."
)

_IMAGE, _LABELS = "_leftImg8bit.png", "_gtFine_labelTrainIds.png"
_CITIES = {"train": ("aachen", "zurich"), "val": ("frankfurt", "munster"), "test": ("berlin", "munich")}


class Cityscapes(LabelledFolder[CityscapesOptions]):
    """`leftImg8bit/<split>/<city>` and `gtFine/<split>/<city>`; the test split has no labels, so reports use val."""

    splits: ClassVar[tuple[Split, ...]] = ("train", "val")
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((64, 128),)
    labels_hint: ClassVar[str] = TRAIN_IDS

    @property
    def classes(self) -> tuple[str, ...]:
        """The 19 classes in the order of their trainIds."""
        return tuple(CLASSES)

    @property
    def palette(self) -> tuple[Colour, ...]:
        """The official colours."""
        return tuple(CLASSES.values())

    @property
    def table(self) -> IndexTable:
        """TrainIds, 255 where nothing counts."""
        return IndexTable({**{number: number for number in range(len(CLASSES))}, IGNORED: IGNORED}, TRAIN_IDS)

    @property
    def tree(self) -> str:
        """The two archives leftImg8bit_trainvaltest and gtFine_trainvaltest, unpacked into one folder."""
        return f"""ROOT
├── leftImg8bit
│   ├── train/<city>/<city>_<sequence>_<frame>{_IMAGE}        2975 images
│   └── val/<city>/...                                                          500 images
└── gtFine
    ├── train/<city>/<city>_<sequence>_<frame>{_LABELS}
    └── val/<city>/...
The test split has no labels: reports use val.
{TRAIN_IDS}"""

    def pairs(self, split: Split) -> list[Pair]:
        """Returns the images of all cities with their trainIds."""
        self.require_split(split, "The labels of its test split are not public; reports use val.")
        images = self.files(self.root / "leftImg8bit" / split, f"*/*{_IMAGE}")
        return [
            Pair(image, self._labels(split, image.parent.name, image.name.removesuffix(_IMAGE))) for image in images
        ]

    def place(self, split: Split, index: int) -> Pair:
        """Returns files of two cities in turn."""
        city = _CITIES[split][index % 2]
        stem = f"{city}_{index:06d}_000019"
        return Pair(self.root / "leftImg8bit" / split / city / (stem + _IMAGE), self._labels(split, city, stem))

    def _labels(self, split: str, city: str, stem: str) -> Path:
        return self.root / "gtFine" / split / city / (stem + _LABELS)
