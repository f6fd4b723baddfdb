"""The pixels of each class in a folder's training split, counted once on a machine; torch-free.

Decoding the label maps of Cityscapes takes minutes, and every stage of a benchmark asks for the facts of its data set.
So the counts are kept in a file of the user's cache directory (`XDG_CACHE_HOME`, or `~/.cache`), named after what was
counted.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench_segmentation.datasets.class_weights import class_weights, label_counts
from bench_segmentation.datasets.fingerprint import require_files, size_and_edges

if TYPE_CHECKING:
    from bench_segmentation.datasets.class_weights import Counts
    from bench_segmentation.datasets.listing import LabelledFolder
    from bench_segmentation.datasets.options import FolderOptions
    from harness.registry.dataset import Split

_VERSION = 1
"""Raised when what is counted changes."""

_SPLIT: Split = "train"
_known: dict[str, Counts] = {}


def weights_of(folder: LabelledFolder[FolderOptions]) -> tuple[float, ...]:
    """Returns the class weights that a folder's options ask for; empty for equal ones.

    Raises:
        DataError: Files of the training split are missing or hold what they should not, or none is labelled.
    """
    asked = folder.options.class_weights
    if asked == "none":
        return ()
    return asked if isinstance(asked, tuple) else class_weights(counts_of(folder), asked)


def counts_of(folder: LabelledFolder[FolderOptions]) -> Counts:
    """Returns what `label_counts` says of the training split's label files, [2, C]: of this process, the cache or now.

    Raises:
        DataError: Files are missing or hold what they should not.
    """
    digest = _digest(folder)
    if digest not in _known:
        found = _read(digest, folder.class_count)
        if found is None:
            found = _count(folder)
            _write(digest, found)
        _known[digest] = found
    return _known[digest]


def _count(folder: LabelledFolder[FolderOptions]) -> Counts:
    pairs = folder.pairs(_SPLIT)
    text = "%s: counting the labels of %d training images for class_weights"
    logging.getLogger("harness.stage").info(text, folder.options.dataset, len(pairs))
    table = folder.table
    return label_counts((table.read(pair.labels) for pair in pairs), folder.class_count, folder.ignored)


def _digest(folder: LabelledFolder[FolderOptions]) -> str:
    """Returns a hash of the label files, as the fingerprint sees them, and of what their values mean."""
    pairs = folder.pairs(_SPLIT)
    require_files(folder, _SPLIT, pairs)
    meaning = [_VERSION, folder.options.dataset, folder.class_count, folder.ignored, repr(folder.table)]
    digest = hashlib.sha256(json.dumps(meaning).encode())
    for pair in pairs:
        size, edges = size_and_edges(pair.labels)
        digest.update(f"\0{size}\0".encode() + edges)
    return digest.hexdigest()


def _cached(digest: str) -> Path:
    """Returns where counts are kept.

    Raises:
        RuntimeError: The user has no home.
    """
    base = os.environ.get("XDG_CACHE_HOME")
    folder = Path(base) if base else Path.home() / ".cache"
    return folder / "compression-bench" / "label_counts" / f"{digest}.json"


def _read(digest: str, classes: int) -> Counts | None:
    """Returns the kept counts; `None` if there are none, or they are damaged."""
    try:
        counts = np.array(json.loads(_cached(digest).read_text(encoding="utf-8")), dtype=np.int64)
    except (OSError, RuntimeError, ValueError, TypeError):
        return None
    return counts if counts.shape == (2, classes) else None


def _write(digest: str, counts: Counts) -> None:
    """Keeps the counts, if that is possible: two workers may do so at once, and a home may be read-only."""
    try:
        path = _cached(digest)
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            json.dump(counts.tolist(), file)
        Path(file.name).replace(path)
    except (OSError, RuntimeError) as error:
        logging.getLogger("harness.stage").warning("label counts cannot be kept, so others count again: %s", error)
