"""Tables of thousands of rows: aligned lines, since rich lays a table of that size out for minutes."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.text import Text

LARGE = 200
"""Rows from which a table is printed as lines."""


def print_lines(
    console: Console,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[bool] = (),
    styles: Sequence[str] = (),
    title: str = "",
) -> None:
    """Prints a table; in a terminal, lines that are wider end in an ellipsis.

    Args:
        console: Where to.
        headings: One a column.
        rows: Texts of each row, one a column.
        right: Which columns are aligned to the right; default: none.
        styles: One a row; default: plain.
        title: Printed above.
    """
    texts = [headings, *rows]
    widths = [max(len(line[index]) for line in texts) for index in range(len(headings))]
    if not console.is_terminal:  # a file or a pipe is as wide as it needs to be
        console = Console(file=console.file, width=sum(widths) + 2 * len(widths) + 1)
    to_right = right or [False] * len(headings)
    lines = [
        Text(_aligned(line, widths, to_right), style=style, no_wrap=True, overflow="ellipsis")
        for line, style in zip(texts, ["bold", *(styles or [""] * len(rows))], strict=True)
    ]
    rule = Text(f" {'─' * (sum(widths) + 2 * len(widths))}", no_wrap=True, overflow="crop")
    console.print(Group(*([Text(title, style="italic")] if title else []), lines[0], rule, *lines[1:]))


def _aligned(line: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = (
        text.rjust(width) if at_right else text.ljust(width)
        for text, width, at_right in zip(line, widths, right, strict=True)
    )
    return f"  {'  '.join(cells)}"
