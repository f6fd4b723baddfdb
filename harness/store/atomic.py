"""Writes that are either whole or absent."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str, *, replace: bool = True) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part.

    Args:
        path: Target; its folder is created.
        text: New content.
        replace: Whether a file that is there is replaced, or left as it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if replace:
            temporary.replace(path)
            return
        _place(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _place(temporary: Path, path: Path) -> None:
    """Gives a file its name if the name is free, in one step where the file system has hard links."""
    try:
        path.hardlink_to(temporary)
    except OSError:  # the name is taken, or there are no hard links here
        if not path.exists():
            temporary.replace(path)
            return
    temporary.unlink()


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON; NaN and infinity are refused, not written."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def publish_folder(source: Path, target: Path) -> None:
    """Renames a finished folder into place.

    The files are flushed first, so that after a power cut a published folder is a whole one.

    Raises:
        FileExistsError: `target` exists and is not empty.
    """
    for path in source.rglob("*"):
        if path.is_file():
            _flush(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        source.rename(target)
    except OSError as error:
        if target.exists():
            message = f"{target} exists already"
            raise FileExistsError(message) from error
        raise
    _flush(target.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
