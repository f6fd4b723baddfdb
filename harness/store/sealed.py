"""Sealed JSON: a document that knows its own digest, so that a flipped bit is found and not believed.

The first member, `checksum`, is the SHA-256 of the file's bytes with the digest itself written as zeros. Every document
also has a `schema_version`: a newer one is refused by name, not misread.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from harness.store.atomic import write_text

_LENGTH = 64
_ZEROS = "0" * _LENGTH
_HEAD = '{\n  "checksum": "'
_TAIL = '",\n'


class DamagedDocumentError(Exception):
    """A file is not the document it should be.

    Attributes:
        path: The file.
        problem: What is wrong with it, in a few words that go behind its name.
    """

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


def seal(content: dict[str, Any]) -> str:
    """Returns the document's text, its checksum first.

    Raises:
        ValueError: It holds NaN or infinity, which JSON has not.
    """
    text = json.dumps({"checksum": _ZEROS, **content}, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{_HEAD}{digest}{text[len(_HEAD) + _LENGTH :]}"


def write_sealed(path: Path, content: dict[str, Any]) -> None:
    """Writes a document, whole or not at all."""
    write_text(path, seal(content))


def read_sealed(path: Path, *, newest: int, unsealed: tuple[int, ...] = ()) -> dict[str, Any]:
    """Returns a document without its checksum.

    Args:
        path: The file.
        newest: The newest `schema_version` that the caller reads.
        unsealed: Older versions, which had no checksum yet.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedDocumentError: It cannot be read, is no JSON object, was changed after it was written, or is of a newer
            schema.
    """
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        raise
    except OSError as error:
        raise DamagedDocumentError(path, f"cannot be read ({error.strerror or error})") from error
    content = _parsed(path, raw)
    version = content.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool):
        raise DamagedDocumentError(path, "has no schema_version: another program's file")
    if version > newest:
        problem = f"is of schema version {version}; this version of bench reads up to {newest}"
        raise DamagedDocumentError(path, problem)
    if version not in unsealed:
        _check_seal(path, raw)
        del content["checksum"]
    return content


def _parsed(path: Path, raw: bytes) -> dict[str, Any]:
    if not raw.strip():
        raise DamagedDocumentError(path, "is empty")
    try:
        content = from_json(raw)  # several times as fast as the standard library's
    except (ValueError, RecursionError) as error:  # a wrong byte or character; brackets without end
        raise DamagedDocumentError(path, f"is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise DamagedDocumentError(path, "is not a JSON object: another program's file")
    return content


def _check_seal(path: Path, raw: bytes) -> None:
    head, tail = _HEAD.encode(), _TAIL.encode()
    end = len(head) + _LENGTH
    if not raw.startswith(head) or raw[end : end + len(tail)] != tail:
        raise DamagedDocumentError(
            path, "has no checksum at its beginning: it was written or rewritten by something else"
        )
    if hashlib.sha256(head + _ZEROS.encode() + raw[end:]).hexdigest().encode() != raw[len(head) : end]:
        raise DamagedDocumentError(path, "was changed after it was written: its checksum does not fit")
