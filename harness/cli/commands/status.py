"""`bench status`: where the cells of a results folder stand, and why."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options

if TYPE_CHECKING:
    from harness.execution.inspection import Inspection

_STYLES = {"complete": "dim", "failed": "red", "blocked": "red", "in_flight": "green", "stale": "yellow"}


def status(
    results: Annotated[Path, typer.Argument(help="A results folder, or a parent of several.")] = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Show where each cell stands and why: complete, failed, blocked, interrupted, in flight, stale or never run.

    What the last run asked for is planned again with the plugins and data of today, and compared with what lies in the
    folder. Nothing is run and nothing is written.
    """
    from harness.execution.inspection import inspect_folder
    from harness.report.collection import find_runs
    from harness.store.layout import Layout

    inspections = [inspect_folder(Layout(folder)) for folder in find_runs(results)]
    if as_json:
        import json

        typer.echo(json.dumps([_as_json(inspection) for inspection in inspections], indent=2))
        return
    for inspection in inspections:
        _show(inspection)


def _show(inspection: Inspection) -> None:
    from rich.console import Console

    from harness.cli.cell_table import print_cells
    from harness.execution.display import duration

    rows = [
        (
            cell.name,
            cell.standing.state.replace("_", " "),
            cell.standing.reason,
            f"about {duration(cell.seconds)}" if cell.seconds else "",
        )
        for cell in inspection.cells
    ]
    styles = [_STYLES.get(cell.standing.state, "") for cell in inspection.cells]
    console = Console()
    print_cells(console, ("cell", "state", "why", "time left"), rows, styles, title=str(inspection.layout.root))
    counts = Counter(cell.standing.state.replace("_", " ") for cell in inspection.cells)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    left = f"; about {duration(inspection.seconds)} to run" if inspection.seconds else ""
    cells = (
        f"{len(inspection.cells)} cells: {told}{left}" if counts else "No cells: nothing but baselines was asked for."
    )
    console.print(cells, highlight=False, markup=False)
    for problem in inspection.problems:
        typer.echo(f"warning: {problem}", err=True)


def _as_json(inspection: Inspection) -> dict[str, Any]:
    return {
        "results": str(inspection.layout.root),
        "estimated_seconds": inspection.seconds,
        "problems": inspection.problems,
        "cells": [
            {
                "cell": cell.name,
                "state": cell.standing.state,
                "reason": cell.standing.reason,
                "estimated_seconds": cell.seconds,
            }
            for cell in inspection.cells
        ],
    }
