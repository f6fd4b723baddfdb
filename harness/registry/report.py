"""The contract of report formats that are files: what other programs read results from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any


class ReportFiles(ABC):
    """Files that say what a results folder holds, in the form of another program; torch-free."""

    @abstractmethod
    def files(self, cells: Sequence[Mapping[str, Any]], benchmark: Mapping[str, Any]) -> Mapping[str, str]:
        """Returns the text of each file by its path below the folder that they are written to, with forward slashes.

        Args:
            cells: The records of the folder as plain JSON, see the schema in `docs/`.
            benchmark: What the last run was asked for, as its benchmark file says it.
        """
