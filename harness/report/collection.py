"""The records to report on: a results folder, or a parent of several."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import UserError
from harness.store.layout import Layout
from harness.store.record import CellRecord, find_records


@dataclass(frozen=True)
class Run:
    """One results folder.

    Attributes:
        folder: Where it is.
        records: Its records.
        problems: Why each of its other records cannot be read.
    """

    folder: Path
    records: list[CellRecord]
    problems: list[str] = field(default_factory=list)


def collect_runs(folder: Path) -> list[Run]:
    """Returns the runs in `folder`: itself, or every results folder directly below it.

    Raises:
        UserError: There is no such folder, or it holds no results.
    """
    return [_read(path) for path in find_runs(folder)]


def find_runs(folder: Path) -> list[Path]:
    """Returns the results folders that `folder` stands for: itself, or all directly below it.

    Raises:
        UserError: There is no such folder, or it holds no results.
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
    return folders


def _read(folder: Path) -> Run:
    found = find_records(Layout(folder))
    return Run(folder, found.records, found.problems)


def _is_run(folder: Path) -> bool:
    layout = Layout(folder)
    return layout.benchmark.is_file() or next(layout.cells.glob("*/record.json"), None) is not None


def _hint(parent: Path) -> str:
    runs = [str(child) for child in sorted(parent.iterdir()) if _is_run(child)] if parent.is_dir() else []
    if runs:
        return f"Results lie in: {', '.join(runs)}"
    return "`bench run` writes results; without --out they go to results/<benchmark name>."
