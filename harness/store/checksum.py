"""Checksums of files, so that weights that were damaged on disk are found before they are used."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict

_BLOCK = 1 << 20


class StoredFile(BaseModel):
    """What a stored file must be.

    Attributes:
        bytes: Its length.
        sha256: Digest of its content.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 hex digest of a file's content, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def describe_file(path: Path) -> StoredFile:
    """Returns length and digest of a file."""
    return StoredFile(bytes=path.stat().st_size, sha256=sha256_of(path))


def size_problem(folder: Path, files: Mapping[str, StoredFile]) -> str:
    """Returns which file below `folder` is missing or of another length, empty if none is; reads no content."""
    for name, stored in files.items():
        try:
            size = (folder / name).stat().st_size
        except OSError:
            return f"{name} is missing"
        if size != stored.bytes:
            return f"{name} has {size} bytes, not {stored.bytes}"
    return ""


def content_problem(folder: Path, files: Mapping[str, StoredFile]) -> str:
    """Returns which file below `folder` is not what was stored, empty if none; reads all of them."""
    if problem := size_problem(folder, files):
        return problem
    for name, stored in files.items():
        try:
            if sha256_of(folder / name) != stored.sha256:
                return f"{name} was changed after it was written: its checksum does not fit"
        except OSError as error:
            return f"{name} cannot be read ({error.strerror or error})"
    return ""
