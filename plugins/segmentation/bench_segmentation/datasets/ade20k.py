"""ADE20K scene parsing: 150 classes (Zhou et al., CVPR 2017)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench_segmentation.datasets.label_table import Colour, IndexTable
from bench_segmentation.datasets.listing import IGNORED, LabelledFolder, Pair
from bench_segmentation.datasets.options import ADE20KOptions

if TYPE_CHECKING:
    from harness.registry.dataset import Split

COUNT = 150

_FOLDERS = {"train": "training", "val": "validation"}
_HINT = "Use the archive ADEChallengeData2016 (SceneParsing), whose labels are 0..150; the full ADE20K has others."


class ADE20K(LabelledFolder[ADE20KOptions]):
    """`images/training` and `annotations/training`, and the same for validation; reports use val.

    Labels 1..150 are the classes; 0, anything else, is ignored.
    """

    splits: ClassVar[tuple[Split, ...]] = ("train", "val")
    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((64, 85), (96, 64))

    @property
    def base(self) -> Path:
        """`ADEChallengeData2016` below the root, where there is one, else the root."""
        inner = self.root / "ADEChallengeData2016"
        return inner if inner.is_dir() else self.root

    @property
    def classes(self) -> tuple[str, ...]:
        """The 150 classes as mmseg names them; imports it."""
        from mmseg.datasets import ADE20KDataset

        return tuple(name.strip() for name in ADE20KDataset.METAINFO["classes"])

    @property
    def class_count(self) -> int:
        """150, without mmseg."""
        return COUNT

    @property
    def palette(self) -> tuple[Colour, ...]:
        """The colours that mmseg paints them with; imports it."""
        from mmseg.datasets import ADE20KDataset

        return tuple((red, green, blue) for red, green, blue in ADE20KDataset.METAINFO["palette"])

    @property
    def table(self) -> IndexTable:
        """Labels 1..150, and 0 for what is ignored."""
        return IndexTable({0: IGNORED, **{number + 1: number for number in range(COUNT)}}, _HINT)

    @property
    def tree(self) -> str:
        """The archive ADEChallengeData2016."""
        return """ROOT (or ROOT/ADEChallengeData2016)
├── images
│   ├── training/ADE_train_<number>.jpg         20210 images
│   └── validation/ADE_val_<number>.jpg          2000 images
└── annotations
    ├── training/ADE_train_<number>.png         one value a pixel: 1..150, and 0 for what is ignored
    └── validation/ADE_val_<number>.png
The test split has no labels: reports use val."""

    def pairs(self, split: Split) -> list[Pair]:
        """Returns the images of a split's folder."""
        self.require_split(split, "The labels of its test split are not public; reports use val.")
        images = self.files(self.base / "images" / _FOLDERS[split], "*.jpg")
        return [self._pair(split, image.stem) for image in images]

    def place(self, split: Split, index: int) -> Pair:
        """Returns files numbered from 1, as the original's."""
        return self._pair(split, f"ADE_{split}_{index + 1:08d}")

    def _pair(self, split: Split, stem: str) -> Pair:
        images, labels = (self.base / kind / _FOLDERS[split] for kind in ("images", "annotations"))
        return Pair(images / f"{stem}.jpg", labels / f"{stem}.png")
