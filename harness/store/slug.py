"""The one way from a name to a path component."""

from __future__ import annotations

import hashlib
import re

_UNSAFE = re.compile(r"[^A-Za-z0-9@+=._-]+")
_LONGEST = 80


def slug(name: str) -> str:
    """Returns a file-system-safe, readable and unique path component for `name`.

    A name that is already safe (and short, lower-case and not made of dots alone) is its own slug; any other
    gets a hash of the original behind it, so that two different names never share a slug, not even
    on a file system that ignores case.

    Example:
        >>> slug("fpgm@0.5+finetune")
        'fpgm@0.5+finetune'
        >>> slug("../etc").startswith("etc-")
        True
    """
    readable = _UNSAFE.sub("-", name).strip("-.").lower()[:_LONGEST].rstrip("-.")
    if name and readable == name and not _looks_hashed(name):
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:10]
    return f"{readable}-{digest}" if readable else digest


def _looks_hashed(name: str) -> bool:
    """A safe name that ends like a hashed one could collide with it, so it is hashed as well."""
    return re.fullmatch(r"(.*-)?[0-9a-f]{10}", name) is not None
