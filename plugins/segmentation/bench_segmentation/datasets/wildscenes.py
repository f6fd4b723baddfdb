"""WildScenes 2D: natural scenes of five traverses (Vidanapathirana et al., 2024)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from bench_segmentation.datasets import wildscenes_labels
from bench_segmentation.datasets.label_table import Colour, IndexTable
from bench_segmentation.datasets.listing import LabelledFolder, Pair
from bench_segmentation.datasets.options import WildScenesOptions
from bench_segmentation.datasets.wildscenes_splits import find_list, in_time, read_list, share, shuffled, write_list
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.registry.dataset import Split

TRAVERSES = ("K-01", "K-03", "V-01", "V-02", "V-03")
IMAGES, LABELS = "image", "indexLabel"

_HINT = "Use the files of indexLabel, which hold 0..18; those of label are painted."
_FIRST_SECOND = 1624326169


class WildScenes(LabelledFolder[WildScenesOptions]):
    """`WildScenes2d/<traverse>/image` and `indexLabel`, files named by their time, with lists of the splits."""

    sizes: ClassVar[tuple[tuple[int, int], ...]] = ((72, 96),)

    @property
    def base(self) -> Path:
        """`WildScenes2d` below the root, where there is one, else the root."""
        inner = self.root / "WildScenes2d"
        return inner if inner.is_dir() else self.root

    @property
    def classes(self) -> tuple[str, ...]:
        """The benchmark's 15 classes, or the first code's 17."""
        return tuple(self._named)

    @property
    def palette(self) -> tuple[Colour, ...]:
        """Their colours."""
        return tuple(self._named.values())

    @property
    def table(self) -> IndexTable:
        """Raw values 0..18."""
        official = self.options.labels == "official"
        numbers = wildscenes_labels.OFFICIAL_NUMBERS if official else wildscenes_labels.SEED_NUMBERS
        return IndexTable(numbers, _HINT)

    @property
    def tree(self) -> str:
        """The archive WildScenes2d with the lists of the authors' repository."""
        return """ROOT (or ROOT/WildScenes2d)
├── K-01, K-03, V-01, V-02, V-03
│   ├── image/<seconds>-<nanoseconds>.png        2016 x 1512
│   └── indexLabel/<seconds>-<nanoseconds>.png   one value a pixel: 0..18
└── train.csv, val.csv, test.csv                 6051, 283 and 2133 rows: id,im_path,label_path
The lists are data/splits/opt2d of the repository csiro-robotics/WildScenes; they may also lie in ROOT/splits, or
where the option `split_files` says. The splits timestamp and seed_random need none."""

    def pairs(self, split: Split) -> list[Pair]:
        """Returns the samples of a split in the order of its list or in time."""
        self.require_split(split)
        if self.options.split == "official":
            rows = read_list(find_list(self.root, self.base, self.options.split_files, split, self._advice))
            return [Pair(self.base / image, self.base / labels) for image, labels in rows]
        images = in_time([image for folder in self._traverses() for image in self.files(folder / IMAGES, "*.png")])
        if self.options.split == "seed_random":
            images = shuffled(images, self.options.split_seed)
        part = share(images, split)
        if not part:
            message = f"wildscenes: {len(images)} images are too few for split {self.options.split}: {split} is empty"
            raise DataError(message, "At least 10 images are needed, for 7:2:1.")
        return [self._pair(image.parent.parent.name, image.name) for image in part]

    def place(self, split: Split, index: int) -> Pair:
        """Returns files of the five traverses in turn, one second apart; val is K-01 alone, as the original's."""
        number = 3 * index + self.splits.index(split)
        traverse = TRAVERSES[0] if split == "val" else TRAVERSES[index % len(TRAVERSES)]
        below, name = self.root / "WildScenes2d" / traverse, f"{_FIRST_SECOND + number}-{277052847 + number:09d}.png"
        return Pair(below / IMAGES / name, below / LABELS / name)

    def write_lists(self, samples: Mapping[Split, Sequence[Pair]]) -> None:
        """Writes `train.csv`, `val.csv` and `test.csv`."""
        for split, pairs in samples.items():
            write_list(self.root / f"{split}.csv", pairs)

    @property
    def _named(self) -> dict[str, Colour]:
        return wildscenes_labels.OFFICIAL if self.options.labels == "official" else wildscenes_labels.SEED

    def _traverses(self) -> list[Path]:
        """Returns the folders of the traverses that were asked for, else of all.

        Raises:
            DataError: There are none.
        """
        if self.options.traverses:
            return [self.base / name for name in self.options.traverses]
        return [folder.parent for folder in self.files(self.base, f"*/{IMAGES}")]

    def _pair(self, traverse: str, name: str) -> Pair:
        return Pair(self.base / traverse / IMAGES / name, self.base / traverse / LABELS / name)
