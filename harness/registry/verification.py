"""What a look at every file of a data set found. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `bench datasets verify` reports.

    Attributes:
        problems: One line each: what is wrong with which file, and what to do.
        splits: Samples of each split that could be listed.
        fingerprint: Hash of the content; `None` where something is wrong.
        layout: What the folder must look like, in several lines.
    """

    problems: tuple[str, ...]
    splits: Mapping[str, int]
    fingerprint: str | None
    layout: str
