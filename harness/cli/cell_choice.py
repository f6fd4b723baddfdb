"""Finding the one cell that a command names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError

if TYPE_CHECKING:
    from harness.execution.inspection import InspectedCell, Inspection


def choose_cell(text: str, results: Path) -> tuple[Inspection, InspectedCell]:
    """Returns the cell that a text names, with the results folder that it is in.

    A whole name or a whole pipeline comes before a part of a name.

    Args:
        text: What was written.
        results: A results folder, or a parent of several.

    Raises:
        UserError: It names none, or several; or there are no results.
    """
    from harness.execution.inspection import inspect_folder
    from harness.report.collection import find_runs
    from harness.spec.suggestion import did_you_mean
    from harness.store.layout import Layout

    if not text.strip():
        message = "CELL: it is empty"
        raise UserError(message, "Name a cell, e.g. by its pipeline; `bench status` shows all.")
    inspections = [inspect_folder(Layout(folder)) for folder in find_runs(results)]
    cells = [(inspection, cell) for inspection in inspections for cell in inspection.cells]
    exact = [found for found in cells if text in (found[1].name, found[1].pipeline)]
    chosen = exact or [found for found in cells if text in found[1].name]
    if not chosen:
        message = f"{results}: there is no cell {text!r}"
        raise UserError(message, did_you_mean(text, [cell.pipeline for _, cell in cells], "pipelines"))
    if len(chosen) > 1:
        message = f"{text!r} is a part of {len(chosen)} cells"
        names = [f"{cell.name} ({inspection.layout.root})" for inspection, cell in chosen[:10]]
        raise UserError(message, "Say which: " + "\n  ".join(names))
    return chosen[0]
