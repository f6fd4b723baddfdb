"""Report formats: rich for terminals; markdown, LaTeX, CSV and JSON for everything else."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence

from harness.errors import PluginError, UserError
from harness.registry import Plugin, ReportFormatDescriptor, discover, load_implementation
from harness.report.columns import MISSING, Column, Row
from harness.spec.suggestion import did_you_mean

Renderer = Callable[[Sequence[Row], Sequence[Column]], str]


def heading(column: Column, rows: Sequence[Row]) -> str:
    """Returns a column's title; a table about one metric names it."""
    metrics = {row["metric"] for row in rows if row.get("metric")}
    return column.title.format(metric=metrics.pop() if len(metrics) == 1 else "metric")


def cell_text(column: Column, row: Row) -> str:
    """Returns a value as people read it; a missing one stays visible."""
    value = row.get(column.name)
    return MISSING if value is None else column.text(value, row)


def markdown(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Returns a GitHub table."""
    escaped = [[text.replace("|", "\\|") for text in line] for line in _texts(rows, columns)]
    return _tabulate(escaped, rows, columns, "github")


def latex(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Returns a booktabs table; special characters are escaped."""
    return _tabulate(_texts(rows, columns), rows, columns, "latex_booktabs")


def comma_separated(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Returns CSV with raw values; a missing value is an empty field."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([column.name for column in columns])
    for row in rows:
        writer.writerow([_plain(row.get(column.name)) for column in columns])
    return stream.getvalue().rstrip("\n")


def as_json(rows: Sequence[Row], columns: Sequence[Column]) -> str:
    """Returns a JSON list of objects with raw values; a missing value is null."""
    chosen = [{column.name: row.get(column.name) for column in columns} for row in rows]
    return json.dumps(chosen, indent=2, allow_nan=False, ensure_ascii=False)


RENDERERS: dict[str, Renderer] = {
    "markdown": markdown,
    "latex": latex,
    "csv": comma_separated,
    "json": as_json,
}


def find_renderer(name: str) -> Renderer:
    """Returns the renderer of a format: a built-in one, or one that a plugin adds.

    Raises:
        UserError: There is no such format.
        PluginError: The plugin that adds it does not load.
    """
    return RENDERERS[name] if name in RENDERERS else _of_plugin(find_plugin(name))


def find_plugin(name: str) -> Plugin[ReportFormatDescriptor]:
    """Returns the plugin that adds a format.

    Raises:
        UserError: There is none.
    """
    registry = discover()
    added = [entry.name for entry in registry.entries("bench.report_formats")]
    if name.rpartition(":")[2] not in added:
        message = f"--format: there is no format {name!r}"
        raise UserError(message, did_you_mean(name, ["rich", *RENDERERS, *added], "formats"))
    return registry.report_format(name)


def _of_plugin(plugin: Plugin[ReportFormatDescriptor]) -> Renderer:
    implementation = load_implementation(plugin)

    def render(rows: Sequence[Row], columns: Sequence[Column]) -> str:
        try:
            text = implementation().render(rows, columns)
        except Exception as error:  # a plugin may fail in any way, and must be named when it does
            message = f"report format {plugin.name!r} of {plugin.distribution} failed: {type(error).__name__}: {error}"
            raise PluginError(message, f"Choose another --format, or mend {plugin.distribution}.") from error
        if not isinstance(text, str):
            message = f"report format {plugin.name!r} of {plugin.distribution} returned {type(text).__name__}, not text"
            raise PluginError(message, f"Choose another --format, or mend {plugin.distribution}.")
        return text

    return render


def _plain(value: object) -> object:
    return json.dumps(value) if isinstance(value, dict) else value


def _texts(rows: Sequence[Row], columns: Sequence[Column]) -> list[list[str]]:
    return [[cell_text(column, row) for column in columns] for row in rows]


def _tabulate(texts: list[list[str]], rows: Sequence[Row], columns: Sequence[Column], style: str) -> str:
    from tabulate import tabulate

    return tabulate(
        texts,
        headers=[heading(column, rows) for column in columns],
        tablefmt=style,
        colalign=["right" if column.right else "left" for column in columns],
        disable_numparse=True,
    )
