"""A look at every file of a data set on disk; torch-free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from bench_segmentation.datasets.fingerprint import fingerprint, require_files
from bench_segmentation.datasets.listing import LabelledFolder, Pair, missing_files, open_folder
from harness.errors import DataError
from harness.registry.verification import Verification

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench_segmentation.datasets.options import FolderOptions
    from harness.registry.dataset import Split

    Progress = Callable[[int, int], None]


def verify(options: FolderOptions, progress: Progress) -> Verification:
    """Returns what is wrong with a data set: every file is decoded, every label compared with the table of classes.

    Args:
        options: Validated options.
        progress: Called with (done, total) samples.

    Raises:
        UserError: No root is given.
        DataError: The root is no folder.
    """
    folder = open_folder(options)
    problems: list[str] = []
    listed = _listed(folder, problems)
    _missing(folder, listed, problems)
    _shared(listed, problems)
    pairs = [pair for samples in listed.values() for pair in samples]
    try:
        table = folder.table
    except DataError as error:
        problems.append(_line(error))
        pairs = []
    for position, pair in enumerate(pairs, start=1):
        if not missing_files([pair]):
            try:
                size = _image_size(pair.image)
                rows, columns = table.read(pair.labels).shape
                if (columns, rows) != size:
                    what = f"{pair.image} is {size[0]} x {size[1]} pixels, its labels {pair.labels} {columns} x {rows}"
                    problems.append(f"{what}; expected one size")
            except DataError as error:
                problems.append(_line(error))
        progress(position, len(pairs))
    problems = list(dict.fromkeys(problems))
    return Verification(
        problems=tuple(problems),
        splits={split: len(samples) for split, samples in listed.items()},
        fingerprint=None if problems else fingerprint(options),
        layout=folder.tree,
    )


def _listed(folder: LabelledFolder[FolderOptions], problems: list[str]) -> dict[Split, list[Pair]]:
    """Returns the samples of each split that can be listed."""
    listed: dict[Split, list[Pair]] = {}
    for split in folder.splits:
        try:
            listed[split] = folder.pairs(split)
        except DataError as error:
            problems.append(error.message)
    return listed


def _missing(folder: LabelledFolder[FolderOptions], listed: dict[Split, list[Pair]], problems: list[str]) -> None:
    for split, pairs in listed.items():
        try:
            require_files(folder, split, pairs)
        except DataError as error:
            problems.append(_line(error) if error.hint == folder.labels_hint else error.message)


def _shared(listed: dict[Split, list[Pair]], problems: list[str]) -> None:
    """Notes images that are in two splits: what was trained on says nothing in a report."""
    owner: dict[Path, str] = {}
    for split, pairs in listed.items():
        for image in (pair.image for pair in pairs):
            if image in owner:
                what = f"twice in split {split}" if owner[image] == split else f"in splits {owner[image]} and {split}"
                problems.append(f"{image} is {what}")
            owner[image] = split


def _image_size(path: Path) -> tuple[int, int]:
    """Returns (width, height) of an image that can be decoded to its end.

    Raises:
        DataError: It cannot.
    """
    try:
        with Image.open(path) as image:
            image.load()
            width, height = image.size
            return width, height
    except (OSError, SyntaxError, ValueError) as error:
        message = f"image {path}: cannot be read: {error}"
        raise DataError(message, "Copy it again from the original archive.") from error


def _line(error: DataError) -> str:
    return f"{error.message} ({error.hint})" if error.hint else error.message
