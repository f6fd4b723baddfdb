"""Which columns people see when they do not say."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.columns import Row

_FIGURES = (
    "channel_reduction", "macs_reduction", "param_reduction", "metric_before_recovery", "metric_after_recovery",
    "retention", "latency_ratio", "prepare_seconds", "recover_seconds", "seconds", "status",
)  # fmt: skip
_ORACLE = ("oracle_accuracy", "oracle_chance", "reconstruction_mse")
_BUDGETS = ("train_iterations", "recover_iterations")
_CONTEXT = ("run", "model", "dataset", "seed", "protocol")


def default_columns(rows: Sequence[Row]) -> list[str]:
    """Returns the columns that tell the rows apart, then their figures.

    Run, model, data set, seed and protocol are shown where they differ; `method` and its setting name a row unless two
    pipelines share them. Budgets are shown where they differ, because results of different budgets do not compare.
    What the oracle says is shown where it was asked, with what chance says. The metric is named where it differs: rows
    of several protocols or data sets may not mean the same by theirs.
    """
    oracle = [name for name in _ORACLE if any(row.get(name) is not None for row in rows)]
    named = ["metric"] if len({row.get("metric") for row in rows} - {None}) > 1 else []
    before = {"metric_before_recovery": named, "prepare_seconds": oracle}
    figures = [column for name in _FIGURES for column in (*before.get(name, ()), name)]
    return [*naming_columns(rows), *_differing_budgets(rows), *figures]


def naming_columns(rows: Sequence[Row]) -> list[str]:
    """Returns the columns that tell the rows apart, those first in which not all stand in one context."""
    context = [name for name in _CONTEXT if len({row.get(name) for row in rows}) > 1]
    return [*context, *_names(rows, context)]


def _differing_budgets(rows: Sequence[Row]) -> list[str]:
    """A missing number says nothing of the budget: the cell has no such training, or did not finish it."""
    return [name for name in _BUDGETS if len({row.get(name) for row in rows} - {None}) > 1]


def _names(rows: Sequence[Row], context: Sequence[str]) -> tuple[str, ...]:
    short = [tuple(str(row.get(name)) for name in (*context, "method", "setting")) for row in rows]
    if len(set(short)) < len(short):
        return ("pipeline",)
    return ("method", "setting") if any(row.get("setting") is not None for row in rows) else ("method",)
