"""Tables with one row a cell."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.lines import LARGE, print_lines


def print_cells(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    styles: Sequence[str],
    title: str = "",
) -> None:
    """Prints a table; a very large one as plain lines.

    Args:
        console: Where to.
        headings: One a column.
        rows: Texts of each row, one a column.
        styles: One a row.
        title: Printed above.
    """
    if len(rows) > LARGE:
        print_lines(console, headings, rows, styles=styles, title=title)
        return
    table = Table(title=Text(title) if title else None, title_justify="left", header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row, style in zip(rows, styles, strict=True):
        table.add_row(*(Text(text) for text in row), style=style)
    console.print(table)


def number_text(value: float | None) -> str:
    """Returns a figure as tables of stages show it."""
    return "undefined" if value is None else f"{value:.4g}"
