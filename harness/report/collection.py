"""The records to report on: a results folder, or a parent of several."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import UserError
from harness.store.layout import Layout
from harness.store.record import CellRecord, read_records


@dataclass(frozen=True)
class Run:
    """One results folder with its records."""

    folder: Path
    records: list[CellRecord]


def collect_runs(folder: Path) -> list[Run]:
    """Returns the runs in `folder`: itself, or every results folder directly below it.

    Raises:
        UserError: There is no such folder, it holds no results, or a record cannot be read.
    """
    if not folder.exists():
        message = f"{folder}: there is no such folder"
        raise UserError(message, _hint(folder.parent))
    if not folder.is_dir():
        message = f"{folder}: not a folder"
        raise UserError(message, "Name a results folder, e.g. results/demo.")
    folders = [folder] if _is_run(folder) else [child for child in sorted(folder.iterdir()) if _is_run(child)]
    if not folders:
        message = f"{folder}: no results here: it has no cells/*/record.json"
        raise UserError(message, _hint(folder))
    return [Run(path, read_records(Layout(path))) for path in folders]


def _is_run(folder: Path) -> bool:
    return folder.is_dir() and any(Layout(folder).cells.glob("*/record.json"))


def _hint(parent: Path) -> str:
    runs = [str(child) for child in sorted(parent.iterdir()) if _is_run(child)] if parent.is_dir() else []
    if runs:
        return f"Results lie in: {', '.join(runs)}"
    return "`bench run` writes results; without --out they go to results/<benchmark name>."
