"""The splits of WildScenes: lists of the authors, or shares of all images."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from bench_segmentation.datasets.listing import Pair
from harness.errors import DataError

if TYPE_CHECKING:
    from harness.registry.dataset import Split

COLUMNS = ("id", "im_path", "label_path")

_BELOW_ROOT = (".", "splits", "splits/opt2d", "data/splits/opt2d")
_SHARES = {"train": (0, 7), "val": (7, 9), "test": (9, 10)}
_TIME = re.compile(r"(\d+)-(\d+)")


def find_list(root: Path, base: Path, given: Path | None, split: str, advice: str) -> Path:
    """Returns the CSV file of a split.

    Args:
        root: The data set's root.
        base: The folder of the traverses.
        given: The folder that the option `split_files` names.
        split: Which split.
        advice: What to do if there is none.

    Raises:
        DataError: There is none.
    """
    below = [top / inner for top in dict.fromkeys((root, base)) for inner in _BELOW_ROOT]
    folders = [given.expanduser()] if given is not None else below
    for folder in folders:
        if (folder / f"{split}.csv").is_file():
            return folder / f"{split}.csv"
    message = f"wildscenes: list {split}.csv is missing; looked in {', '.join(map(str, folders))}"
    raise DataError(message, f"{advice} Or use split timestamp, which needs no lists.")


def read_list(path: Path) -> list[tuple[Path, Path]]:
    """Returns (image, labels) of each row, relative to the folder of the traverses.

    Whatever the rows have in front of traverse, folder and file name is dropped: it is `/WildScenes2d`, or a path on
    the machine of whoever made the list.

    Raises:
        DataError: The file is unreadable, empty, or has other columns.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        message = f"wildscenes: list {path} cannot be read: {error}"
        raise DataError(message, "Copy it again from the authors' repository.") from error
    columns = list(rows[0]) if rows else []
    if not set(COLUMNS[1:]) <= set(columns):
        found = f"columns {', '.join(map(str, columns))}" if rows else "no rows"
        message = f"wildscenes: list {path} has {found}; expected {','.join(COLUMNS)}"
        raise DataError(message, "Copy it again from the authors' repository.")
    return [(_tail(path, row["im_path"]), _tail(path, row["label_path"])) for row in rows]


def write_list(path: Path, pairs: Sequence[Pair]) -> None:
    """Writes a split's list as the authors' are written."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for image, labels in pairs:
            writer.writerow([image.stem, *(f"/WildScenes2d/{'/'.join(file.parts[-3:])}" for file in (image, labels))])


def in_time(images: Sequence[Path]) -> list[Path]:
    """Returns images in the order of the times in their names.

    Raises:
        DataError: A name is not `<seconds>-<nanoseconds>`.
    """
    return sorted(images, key=_time)


def shuffled(images: Sequence[Path], seed: int) -> list[Path]:
    """Returns images in a random order that the seed alone determines."""
    order = list(images)
    random.Random(seed).shuffle(order)
    return order


def share(images: Sequence[Path], split: Split) -> list[Path]:
    """Returns the first 7, the next 2 or the last 1 of 10 parts, in one piece; the remainder is the last's.

    Example:
        >>> [len(share([Path()] * 1576, split)) for split in ("train", "val", "test")]
        [1103, 315, 158]
    """
    first, last = _SHARES[split]
    training, validation = len(images) * 7 // 10, len(images) * 2 // 10
    edges = {0: 0, 7: training, 9: training + validation, 10: len(images)}
    return list(images[edges[first] : edges[last]])


def _time(image: Path) -> tuple[int, int]:
    found = _TIME.fullmatch(image.stem)
    if found is None:
        message = f"wildscenes: {image} is not named <seconds>-<nanoseconds>.png"
        raise DataError(message, "Splits by time need the original names.")
    return int(found[1]), int(found[2])


def _tail(path: Path, written: str) -> Path:
    parts = PurePosixPath(str(written).replace("\\", "/")).parts[-3:]
    if len(parts) != 3 or ".." in parts:  # noqa: PLR2004 - traverse, folder, file
        message = f"wildscenes: list {path} names {written!r}; expected <traverse>/<folder>/<file>"
        raise DataError(message, "Copy it again from the authors' repository.")
    return Path(*parts)
