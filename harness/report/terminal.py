"""The report table in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.report.columns import Column, Row
from harness.report.formats import cell_text, heading
from harness.report.lines import LARGE, print_lines

_ROLE_STYLES = {"baseline": "bold", "control": "dim"}
_NAMING = {"run", "model", "dataset", "pipeline", "method", "setting", "ratio", "seed", "protocol", "class"}
_PADDING = 3  # a blank on both sides and the divider
_EDGES = 2


def print_report(console: Console, rows: Sequence[Row], columns: Sequence[Column], title: str) -> None:
    """Prints the table; one that is too wide for the terminal is printed in parts that all name their rows."""
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        console = Console(file=console.file, width=_full_width(rows, columns))
    for part in split_columns(rows, columns, console.width):
        if len(rows) > LARGE:
            print_lines(
                console,
                [heading(column, rows) for column in part],
                [[cell_text(column, row) for column in part] for row in rows],
                right=[column.right for column in part],
                styles=[_row_style(row) for row in rows],
                title=title,
            )
        else:
            console.print(_table(rows, part, title))


def split_columns(rows: Sequence[Row], columns: Sequence[Column], width: int) -> Iterator[list[Column]]:
    """Yields the columns in parts that fit into `width` characters; naming columns are in every part."""
    naming = [column for column in columns if column.name in _NAMING]
    used = sum(_width(rows, column) for column in naming) + _EDGES
    part, room = list(naming), width - used
    for column in (column for column in columns if column.name not in _NAMING):
        needed = _width(rows, column)
        if needed > room and len(part) > len(naming):
            yield part
            part, room = list(naming), width - used
        part.append(column)
        room -= needed
    yield part


def _full_width(rows: Sequence[Row], columns: Sequence[Column]) -> int:
    return sum(_width(rows, column) for column in columns) + _EDGES


def _width(rows: Sequence[Row], column: Column) -> int:
    texts = [heading(column, rows), *(cell_text(column, row) for row in rows)]
    return max(len(text) for text in texts) + _PADDING


def _table(rows: Sequence[Row], columns: Sequence[Column], title: str) -> Table:
    """Failed rows are red, controls dim; columns colour what they say."""
    table = Table(title=Text(title), title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1))
    for column in columns:
        naming = column.name in _NAMING
        table.add_column(
            heading(column, rows),
            justify="right" if column.right else "left",
            overflow="fold" if naming else "ellipsis",
            no_wrap=not naming,
        )
    for row in rows:
        table.add_row(*(_text(column, row) for column in columns), style=_row_style(row))
    return table


def _text(column: Column, row: Row) -> Text:
    value = row.get(column.name)
    return Text(cell_text(column, row), style="" if value is None else column.style(value, row))


def _row_style(row: Row) -> str:
    if row.get("status") in ("failed", "blocked"):
        return "red"
    return _ROLE_STYLES.get(row.get("role", ""), "")
