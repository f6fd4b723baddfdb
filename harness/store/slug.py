"""The one way from a name to a path component."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(r"[^A-Za-z0-9@+=._-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")  # devices on Windows, whatever the suffix
_LONGEST = 80
_DIGITS = 16  # 64 bits: with a million long names that begin alike, two share a slug with a chance of 3e-8


def slug(name: str) -> str:
    """Returns a file-system-safe, readable and unique path component for `name`, of at most 100 ASCII characters.

    A name that is already safe (and short, lower-case, not made of dots alone and no device's name) is its own slug;
    any other gets a hash of the original behind it, so that two different names never share a slug, not even
    on a file system that ignores case. Names count by their characters: two spellings of `é` are two names.

    Example:
        >>> slug("fpgm@0.5+finetune")
        'fpgm@0.5+finetune'
        >>> slug("../etc").startswith("etc-")
        True
    """
    readable = _UNSAFE.sub("-", name).strip("-.").lower()[:_LONGEST].rstrip("-.")
    if _RESERVED.fullmatch(readable):
        readable = f"_{readable}"
    if name and readable == name and not _looks_hashed(name):
        return name
    # What is no valid Unicode, a file name of other bytes say, has a slug like any other name.
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:_DIGITS]
    return f"{readable}-{digest}" if readable else digest


def _looks_hashed(name: str) -> bool:
    """A safe name that ends like a hashed one could collide with it, so it is hashed as well."""
    return re.fullmatch(rf"(.*-)?[0-9a-f]{{{_DIGITS}}}", name) is not None
