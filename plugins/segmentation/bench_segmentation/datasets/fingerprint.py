"""The fingerprint of a data set on disk; torch-free.

Hashing gigabytes would take minutes of every plan, so of each file only its name, its size and its first and last
4 KiB count. PNG and JPEG files are compressed: changed pixels nearly always change the size or the end. A file whose
middle alone is damaged keeps its fingerprint; `bench datasets verify` decodes every file and finds it.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from bench_segmentation.datasets.listing import LabelledFolder, Pair, missing_files, open_folder
from bench_segmentation.datasets.options import FolderOptions
from harness.errors import DataError

EDGE = 4096
"""Bytes that are read at either end of a file."""

_SHOWN = 3


def fingerprint(options: FolderOptions) -> str:
    """Returns the SHA-256 hex digest of a data set's samples and options, wherever it lies.

    Raises:
        UserError: No root is given.
        DataError: A file is missing or unreadable.
    """
    folder = open_folder(options)
    stated = options.model_dump(mode="json", exclude=set(options.path_options))
    digest = hashlib.sha256(json.dumps([options.dataset, stated], sort_keys=True).encode())
    for split in folder.splits:
        pairs = folder.pairs(split)
        require_files(folder, split, pairs)
        digest.update(f"\0{split}".encode())
        for path in (path for pair in pairs for path in pair):
            name = Path(os.path.relpath(path, folder.base)).as_posix()
            size, edges = size_and_edges(path)
            digest.update(f"\0{name}\0{size}\0".encode() + edges)
    return digest.hexdigest()


def require_files(folder: LabelledFolder[FolderOptions], split: str, pairs: list[Pair]) -> None:
    """Raises a `DataError` that names the first files of a split that are missing, and how many."""
    missing = missing_files(pairs)
    if missing:
        name = folder.options.dataset
        hint = f"`bench datasets verify {name} --root PATH` says what the folder must look like."
        message = f"{name}: {missing_text(split, missing)}"
        raise DataError(message, hint if missing[0] in [pair.image for pair in pairs] else folder.labels_hint or hint)


def missing_text(split: str, missing: list[Path]) -> str:
    """Returns one line about missing files."""
    more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
    number = "1 file" if len(missing) == 1 else f"{len(missing)} files"
    return f"{number} missing of split {split}: {', '.join(map(str, missing[:_SHOWN]))}{more}"


def size_and_edges(path: Path) -> tuple[int, bytes]:
    """Returns a file's size and its first and last bytes, the whole of a small one.

    Raises:
        DataError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            first = file.read(EDGE)
            size = file.seek(0, os.SEEK_END)
            file.seek(max(EDGE, size - EDGE))
            return size, first + file.read(EDGE)
    except OSError as error:
        message = f"{path} cannot be read: {error}"
        raise DataError(message, "Check its permissions and the disk.") from error
