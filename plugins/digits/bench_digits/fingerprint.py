"""The fingerprint: a hash of all that scenes are made from."""

from __future__ import annotations

import hashlib
from functools import cache

from bench_digits.photos import PHOTOS, photo_bytes
from bench_digits.sprites import source_digits

GENERATOR_VERSION = 1
"""Raised whenever the same arguments begin to give other scenes."""


@cache
def fingerprint(*, seed: int, size: int) -> str:
    """Returns the SHA-256 hex digest of the digits, the photos, the generator's version and its arguments."""
    digest = hashlib.sha256(f"{GENERATOR_VERSION}:{seed}:{size}:{sorted(PHOTOS.items())}".encode())
    images, labels = source_digits()
    digest.update(images.tobytes())
    digest.update(labels.tobytes())
    for split in PHOTOS:
        for content in photo_bytes(split):
            digest.update(content)
    return digest.hexdigest()
