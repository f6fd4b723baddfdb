"""`bench curves`: how the trainings went."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def curves(
    results: Annotated[Path, typer.Argument(help="A results folder, or a parent of several.")] = Path("results"),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the pictures.  [default: RESULTS/pictures/curves]", show_default=False),
    ] = None,
) -> None:
    """Draw loss and learning rate of every training: baselines, recoveries, and the methods' own."""
    from harness.report.collection import collect_runs
    from harness.report.curves import count_without_curve, draw_curves

    runs = collect_runs(results)

    def warn(problem: str) -> None:
        typer.echo(f"warning: left out: {problem}", err=True)

    for problem in (problem for run in runs for problem in run.problems):
        warn(problem)
    for file in draw_curves(runs, out, warn):
        typer.echo(str(file))
    missing = count_without_curve(runs)
    if missing:
        told = "1 baseline or recovery has" if missing == 1 else f"{missing} baselines and recoveries have"
        typer.echo(f"{told} left no curve: given weights have none, nor have trainings of older versions", err=True)
