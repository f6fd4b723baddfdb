"""The fingerprint: a hash of all that scenes are made from."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from bench_digits.photos import PHOTOS, photo_bytes
from bench_digits.sprites import source_digits


@cache
def fingerprint(*, seed: int, size: int) -> str:
    """Returns the SHA-256 hex digest of the digits, the photos, the generator's own source and its arguments."""
    digest = hashlib.sha256(f"{seed}:{size}:{sorted(PHOTOS.items())}".encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    images, labels = source_digits()
    digest.update(images.tobytes())
    digest.update(labels.tobytes())
    for split in PHOTOS:
        for content in photo_bytes(split):
            digest.update(content)
    return digest.hexdigest()
