"""`bench report --per-class`."""

from __future__ import annotations

from pathlib import Path

import typer

from harness.errors import UserError


def show_classes(folder: Path, format_name: str, metric: str | None, refused: dict[str, bool]) -> None:
    """Prints the table of classes.

    Args:
        folder: A results folder, or a parent of several.
        format_name: `rich`, one of the built-in formats, or one that a plugin adds.
        metric: Which figure of the classes; `None` for the first one.
        refused: Whether a flag was given, for each that the table has no use for.

    Raises:
        UserError: There are no results, no such format or figure, or a flag is refused.
        PluginError: The plugin of the format is broken.
    """
    from harness.report.collection import collect_runs
    from harness.report.files import writes_files
    from harness.report.formats import RENDERERS, find_plugin, find_renderer
    from harness.report.per_class import make_class_table

    for flag, given in refused.items():
        if given:
            message = f"{flag}: the table of classes has no use for it"
            raise UserError(message, f"Drop {flag} or --per-class.")
    if format_name not in ("rich", *RENDERERS) and writes_files(find_plugin(format_name)):
        message = f"--format {format_name}: it is written as files, and has no table of classes"
        raise UserError(message, f"Write --format rich, {', '.join(RENDERERS)}.")
    runs = collect_runs(folder)
    for problem in (problem for run in runs for problem in run.problems):
        typer.echo(f"warning: left out: {problem}", err=True)
    table = make_class_table(runs, metric)
    if format_name != "rich":
        typer.echo(find_renderer(format_name)(table.rows, table.columns))
        return
    from rich.console import Console

    from harness.report.terminal import print_report

    print_report(Console(), table.rows, table.columns, f"{folder.resolve().name}: {table.figure} of each class")
