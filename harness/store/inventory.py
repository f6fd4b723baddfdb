"""Which stages a results folder knows at all: one look at its folders instead of five at every stage's places."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import UserError
from harness.store.layout import Layout, stage_name


class Inventory:
    """What lay in a results folder when this was made.

    Args:
        layout: The results folder.
    """

    def __init__(self, layout: Layout) -> None:
        self._names = {folder: _names(layout.root / folder) for folder in ("stages", "failures", "work")}
        locks = _names(layout.root / "locks")
        self._locked = frozenset(name.rpartition(".")[0] for name in locks)

    def stage(self, kind: str, identity: str) -> bool:
        """Returns whether something lies in the place of a complete stage."""
        return stage_name(kind, identity) in self._names["stages"]

    def failure(self, kind: str, identity: str) -> bool:
        """Returns whether something lies in the place of its failure."""
        return stage_name(kind, identity) in self._names["failures"]

    def work(self, kind: str, identity: str) -> bool:
        """Returns whether it has left work behind, or is in flight."""
        return stage_name(kind, identity) in self._names["work"]

    def lock(self, kind: str, identity: str) -> bool:
        """Returns whether it was ever locked."""
        return stage_name(kind, identity) in self._locked


def _names(folder: Path) -> frozenset[str]:
    try:
        with os.scandir(folder) as entries:
            return frozenset(entry.name for entry in entries)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        message = f"{folder}: cannot be read ({error.strerror})"
        raise UserError(message, "It is a folder of a results folder; look what has become of it.") from error
