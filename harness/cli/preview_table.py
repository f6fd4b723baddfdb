"""A preview as a table in the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from harness.cli.cell_table import print_cells
from harness.execution.display import duration

if TYPE_CHECKING:
    from rich.console import Console

    from harness.execution.preview import CellPreview, Preview

_STYLES = {"run": "green", "keep": "dim", "skip": "red"}
_HEADINGS = ("model", "data set", "seed", "pipeline", "", "why", "stages to run", "time")


def print_preview(console: Console, preview: Preview) -> None:
    """Prints a table with one row a cell."""
    rows = [_row(shown) for shown in preview.cells]
    print_cells(console, _HEADINGS, rows, [_STYLES[shown.action] for shown in preview.cells])


def _row(shown: CellPreview) -> list[str]:
    cell = shown.cell
    kinds = Counter(stage.kind for stage in shown.to_run)
    return [
        cell.model,
        cell.dataset,
        str(cell.seed),
        str(cell.pipeline),
        shown.action,
        shown.reason,
        ", ".join(f"{kind} x{count}" if count > 1 else kind for kind, count in kinds.items()),
        f"about {duration(shown.seconds)}" if shown.seconds else "",
    ]
