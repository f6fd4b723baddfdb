"""What `bench report` says of a results folder without cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from harness.report.baselines import Baseline
    from harness.report.collection import Run


def tell_of_no_cells(runs: Sequence[Run], console: Console | None) -> None:
    """Prints the baselines of each run that has no cells, and what adds some.

    Args:
        runs: The results folders.
        console: Where tables are printed; `None` for formats that other programs read, which get no tables. The words
            go to the standard error.
    """
    from harness.report.baselines import find_baselines

    for run in (run for run in runs if not run.records and not run.problems):
        found = find_baselines(run)
        if found and console is not None:
            _print(console, found, str(run.folder))
        there = "nothing but baselines" if found else "no baseline that was evaluated either"
        typer.echo(
            f"{run.folder}: no cells, {there}\n  A cell compresses a model: "
            f"`bench run --methods fpgm --ratios 0.5 --out {run.folder}`, with the flags or the file of the baselines.",
            err=True,
        )


def _print(console: Console, baselines: Sequence[Baseline], title: str) -> None:
    from harness.cli.cell_table import number_text, print_cells

    rows = [
        (one.subject, ", ".join(f"{name} {number_text(value)}" for name, value in one.metrics.items()), one.split)
        for one in baselines
    ]
    print_cells(console, ("baseline of", "metrics", "split"), rows, ["bold"] * len(rows), title=title)
