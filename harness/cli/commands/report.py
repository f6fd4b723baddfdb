"""`bench report`: tables over results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli import options
from harness.cli.baseline_table import tell_of_no_cells
from harness.errors import UserError

if TYPE_CHECKING:
    from rich.console import Console


def report(
    results: Annotated[Path, typer.Argument(help="A results folder, or a parent of several.")] = Path("results"),
    format_name: Annotated[
        str,
        typer.Option("--format", help="rich, markdown, latex, csv, json, or a format that a plugin adds, e.g. vss."),
    ] = "rich",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Where a format that is files writes them.  [default: a folder of its name in RESULTS]",
            show_default=False,
        ),
    ] = None,
    sort: Annotated[str, typer.Option("--sort", help="Column to sort by; -column sorts downwards.")] = "",
    columns: Annotated[
        str | None,
        typer.Option("--columns", help="Columns, e.g. method,ratio,retention; `all` for every one."),
    ] = None,
    per_class: Annotated[
        bool, typer.Option("--per-class", help="A table of the classes instead, with what each model loses on them.")
    ] = False,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric", help="With --per-class: which figure, e.g. accuracy.  [default: IoU]", show_default=False
        ),
    ] = None,
    as_json: options.Json = False,
) -> None:
    """Report on results: one row a cell, the baseline first, failed cells included."""
    if per_class:
        from harness.cli.per_class import show_classes

        refused = {"--sort": bool(sort), "--columns": columns is not None, "--out": out is not None}
        show_classes(results, "json" if as_json else format_name, metric, refused)
        return
    if metric is not None:
        message = "--metric: it is the figure of the table of classes"
        raise UserError(message, "Add --per-class.")
    if not as_json and written_files(results, format_name, out, sort=sort, columns=columns):
        return
    show_report(results, format_name="json" if as_json else format_name, sort=sort, columns=columns)


def written_files(folder: Path, format_name: str, out: Path | None, *, sort: str, columns: str | None) -> bool:
    """Writes the files of a format that is files, and says whether it is one.

    Raises:
        UserError: There are no results or no such format, or flags are given that it has no use for.
        PluginError: The plugin of the format is broken.
    """
    from harness.report.collection import collect_runs
    from harness.report.files import write_files, writes_files
    from harness.report.formats import RENDERERS, find_plugin

    plugin = None if format_name in ("rich", *RENDERERS) else find_plugin(format_name)
    if plugin is None or not writes_files(plugin):
        if out is not None:
            message = f"--out: the format {format_name} is printed, not written"
            raise UserError(message, f"Write e.g. `bench report {folder} --format {format_name} > report.txt`.")
        return False
    if sort or columns is not None:
        message = f"--format {format_name}: it has no columns to choose or to sort by"
        raise UserError(message, "Drop --sort and --columns.")
    runs = collect_runs(folder)
    for problem in (problem for run in runs for problem in run.problems):
        typer.echo(f"warning: left out: {problem}", err=True)
    for file in write_files(plugin, runs, out):
        typer.echo(str(file))
    return True


def show_report(
    folder: Path,
    *,
    format_name: str = "rich",
    sort: str = "",
    columns: str | None = None,
    console: Console | None = None,
) -> None:
    """Prints the report of a folder.

    Args:
        folder: A results folder, or a parent of several.
        format_name: `rich`, one of the built-in formats, or one that a plugin adds.
        sort: Column to sort by; -column sorts downwards.
        columns: Comma list of columns; `all` for every one.
        console: Where a rich table is printed.

    Raises:
        UserError: There are no results, or no such format or column.
        PluginError: The plugin of the format is broken.
    """
    from harness.report.choice import default_columns
    from harness.report.collection import collect_runs
    from harness.report.columns import COLUMNS, choose_columns, require_column
    from harness.report.formats import find_renderer
    from harness.report.rows import make_rows

    if sort:
        require_column(sort.removeprefix("-"), "--sort")
    render = None if format_name == "rich" else find_renderer(format_name)
    runs = collect_runs(folder)
    for problem in (problem for run in runs for problem in run.problems):
        typer.echo(f"warning: left out: {problem}", err=True)
    rows = make_rows(runs, sort)
    if columns == "all" or (columns is None and format_name in ("csv", "json")):
        names = list(COLUMNS)
    else:
        names = default_columns(rows) if columns is None else list(options.names_of(columns))
    chosen = choose_columns(names)
    if render is not None:
        typer.echo(render(rows, chosen))
        tell_of_no_cells(runs, None)
        return
    from rich.console import Console

    from harness.report.terminal import print_report

    shown = console or Console()
    if rows:
        print_report(shown, rows, chosen, folder.resolve().name)
    tell_of_no_cells(runs, shown)
