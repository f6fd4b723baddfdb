"""`bench report`: tables over results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options


def report(
    results: Annotated[Path, typer.Argument(help="A results folder, or a parent of several.")] = Path("results"),
    format_name: Annotated[
        str,
        typer.Option("--format", help="rich, markdown, latex, csv, json, or a format that a plugin adds."),
    ] = "rich",
    sort: Annotated[str, typer.Option("--sort", help="Column to sort by; -column sorts downwards.")] = "",
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Columns, e.g. method,ratio,retention; `all` for every one."),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Report on results: one row a cell, the baseline first, failed cells included."""
    from harness.errors import UserError
    from harness.report.choice import default_columns
    from harness.report.collection import collect_runs
    from harness.report.columns import COLUMNS, choose_columns, require_column
    from harness.report.formats import RENDERERS
    from harness.report.rows import make_rows
    from harness.spec.suggestion import did_you_mean

    format_name = "json" if as_json else format_name
    if sort:
        require_column(sort.removeprefix("-"), "--sort")
    if format_name not in RENDERERS and format_name != "rich":
        message = f"--format: there is no format {format_name!r}"
        raise UserError(message, did_you_mean(format_name, [*RENDERERS, "rich"], "formats"))
    runs = collect_runs(results)
    rows = make_rows(runs, sort)
    if columns == "all" or (columns is None and format_name in ("csv", "json")):
        names = list(COLUMNS)
    else:
        names = default_columns(rows) if columns is None else list(options.names_of(columns))
    chosen = choose_columns(names)
    if format_name in RENDERERS:
        typer.echo(RENDERERS[format_name](rows, chosen))
        return
    from rich.console import Console

    from harness.report.terminal import print_report

    print_report(Console(), rows, chosen, results.resolve().name)
