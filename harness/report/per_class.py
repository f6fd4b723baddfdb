"""The table of classes: what each model reaches on each of them, and what that is against its baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.report.choice import naming_columns
from harness.report.class_figures import Metrics, class_figures, class_key
from harness.report.collection import Run
from harness.report.columns import COLUMNS, Column, Row, choose_columns
from harness.report.formats import cell_text
from harness.report.rows import make_rows
from harness.spec.suggestion import did_you_mean

MOST_MODELS = 6
"""With more of them a model is a row and a class a column."""

_LARGE, _SMALL = 0.05, 0.01


@dataclass(frozen=True)
class ClassTable:
    """A table of classes.

    Attributes:
        figure: What it shows of them.
        rows: One a class, or one a model.
        columns: Those that name a row, then the figures.
    """

    figure: str
    rows: list[Row]
    columns: list[Column]


def make_class_table(runs: Sequence[Run], figure: str | None) -> ClassTable:
    """Returns the classes of all runs: one row a class where there are few models, else one row a model.

    Models are in the order of the report, the baseline first. A value is missing where the class has none or the
    cell has no model.

    Args:
        runs: What `collect_runs` found.
        figure: Of which figure; `None` for the first one of the records.

    Raises:
        UserError: No record has figures of classes, or none has this one.
    """
    rows = make_rows(runs)
    known = class_figures(row["metrics"] for row in rows if row["metrics"])
    if not known:
        message = "--per-class: no record here has figures of single classes"
        raise UserError(message, "`bench run` records them for tasks with classes, once a cell is evaluated.")
    chosen = figure or next(iter(known))
    if chosen not in known:
        message = f"--metric: no record has {chosen!r} of single classes"
        raise UserError(message, did_you_mean(chosen, known, "figures"))
    naming = naming_columns(rows)
    baselines = _baselines(runs, rows)
    if len(rows) > MOST_MODELS:
        return _models_as_rows(rows, naming, chosen, known[chosen], baselines)
    return _classes_as_rows(rows, naming, chosen, known[chosen], baselines)


def _baselines(runs: Sequence[Run], rows: Sequence[Row]) -> list[Metrics]:
    """Returns the metrics of each row's baseline; none for the row of a baseline itself."""
    of_cells = {
        (run.folder.name, record.cell): record.baseline.metrics
        for run in runs
        for record in run.records
        if record.baseline is not None
    }
    return [of_cells.get((row["run"], row["cell"])) or {} for row in rows]


def _classes_as_rows(
    rows: Sequence[Row], naming: Sequence[str], figure: str, classes: Sequence[str], baselines: Sequence[Metrics]
) -> ClassTable:
    titles = [_title(row, naming) for row in rows]
    keys = _unique([row["cell"] or title for row, title in zip(rows, titles, strict=True)])
    columns = [Column("class", "class", "class", right=False)]
    table: list[Row] = [{"class": name} for name in classes]
    for row, title, key, baseline in zip(rows, titles, keys, baselines, strict=True):
        of_class = {name: baseline.get(class_key(figure, name)) for name in classes}
        columns.append(_model_column(key, title, of_class))
        for line in table:
            line[key] = (row["metrics"] or {}).get(class_key(figure, line["class"]))
    return ClassTable(figure, table, columns)


def _models_as_rows(
    rows: Sequence[Row], naming: Sequence[str], figure: str, classes: Sequence[str], baselines: Sequence[Metrics]
) -> ClassTable:
    columns = [*choose_columns(naming), *(_class_column(figure, name) for name in classes)]
    if any(row["status"] != "complete" for row in rows):
        columns.append(COLUMNS["status"])
    table = [
        {**row, **(row["metrics"] or {}), _BASELINE: baseline} for row, baseline in zip(rows, baselines, strict=True)
    ]
    return ClassTable(figure, table, columns)


_BASELINE = "baseline metrics"
"""Where a row has what it is compared with; no column's name."""


def _model_column(key: str, title: str, baseline: Metrics) -> Column:
    def text(value: Any, row: Row) -> str:
        before = baseline[row["class"]]
        return f"{value:.1%}" if before is None else f"{value:.1%} {100 * (value - before):+.1f}"

    def style(value: Any, row: Row) -> str:
        return _style(value, baseline[row["class"]])

    return Column(key, title, "figure of a class, and points against the baseline", text, style=style)


def _class_column(figure: str, name: str) -> Column:
    key = class_key(figure, name)

    def style(value: Any, row: Row) -> str:
        return _style(value, row[_BASELINE].get(key))

    return Column(key, name, f"{figure} of the class", lambda value, row: f"{value:.1%}", style=style)


def _style(value: float, before: float | None) -> str:
    """Red from five points lost on, yellow from one on, green from one gained on."""
    if before is None:
        return ""
    change = value - before
    if change <= -_SMALL:
        return "red" if change <= -_LARGE else "yellow"
    return "green" if change >= _SMALL else ""


def _title(row: Row, naming: Sequence[str]) -> str:
    """Returns what tells a model from the others, and why it has no figures."""
    parts = [cell_text(COLUMNS[name], row) for name in naming if row.get(name) is not None]
    return " ".join([*parts, *([] if row["status"] == "complete" else [f"({row['status']})"])])


def _unique(keys: Sequence[str]) -> list[str]:
    """Returns keys of which no two are equal: cells of several runs may have one name."""
    return [f"{key} ({keys[:place].count(key) + 1})" if keys.count(key) > 1 else key for place, key in enumerate(keys)]
