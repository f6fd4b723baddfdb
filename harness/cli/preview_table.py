"""A preview as a table in the terminal."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from harness.execution.display import duration

if TYPE_CHECKING:
    from harness.execution.preview import Preview

_STYLES = {"run": "green", "keep": "dim", "skip": "red"}


def preview_table(preview: Preview) -> Table:
    """Returns a table with one row a cell."""
    table = Table(header_style="bold")
    for title in ("model", "data set", "seed", "pipeline", "", "why", "stages to run", "time"):
        table.add_column(title, overflow="fold")
    for shown in preview.cells:
        cell = shown.cell
        kinds = ", ".join(
            f"{kind} x{n}" if n > 1 else kind for kind, n in Counter(s.kind for s in shown.to_run).items()
        )
        row = (
            cell.model,
            cell.dataset,
            str(cell.seed),
            str(cell.pipeline),
            shown.action,
            shown.reason,
            kinds,
            f"about {duration(shown.seconds)}" if shown.seconds else "",
        )
        table.add_row(*(Text(text) for text in row), style=_STYLES[shown.action])
    return table
