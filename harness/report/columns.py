"""The columns of the report table: where their values come from and how they read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UserError
from harness.spec.suggestion import did_you_mean

MISSING = "–"
Row = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes:
        name: Key for `--columns` and `--sort`; also the key in CSV and JSON.
        title: Heading for people.
        text: Formats a row's cell; never called for a missing value.
        right: Whether numbers are aligned to the right.
        description: One line of help.
        style: In which style of rich a row's cell is printed; never called for a missing value.
    """

    name: str
    title: str
    description: str
    text: Callable[[Any, Row], str] = lambda value, row: str(value)
    right: bool = True
    style: Callable[[Any, Row], str] = lambda value, row: ""


def _percent(value: Any, row: Row) -> str:
    return f"{value:.1%}"


def _metric(value: Any, row: Row) -> str:
    return f"{value:.4f}"


def _compact(value: Any, row: Row) -> str:
    return f"{value:.3g}"


def _signed(value: Any, row: Row) -> str:
    return f"{value:+.4f}"


def _seconds(value: Any, row: Row) -> str:
    return f"{value:.1f}"


def _count(value: Any, row: Row) -> str:
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return str(value)


def _latency(value: Any, row: Row) -> str:
    return f"x{value:.2f} [{row['latency_ratio_low']:.2f}, {row['latency_ratio_high']:.2f}]"


def _latency_style(value: Any, row: Row) -> str:
    return {"faster": "green", "slower": "red"}.get(row.get("latency_verdict") or "", "")


def _status(value: Any, row: Row) -> str:
    if row.get("failure"):
        return f"{value}: {row['failure']}"
    marks = {"target missed": row.get("target_missed"), "below random": row.get("below_random")}
    return ", ".join([str(value), *(mark for mark, holds in marks.items() if holds)])


def _yes(value: Any, row: Row) -> str:
    return "yes" if value else "no"


def _setting(value: Any, row: Row) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}={limit}" for key, limit in value.items())
    return str(value)


COLUMNS = {
    column.name: column
    for column in (
        Column("run", "run", "results folder", right=False),
        Column("model", "model", "model", right=False),
        Column("dataset", "data set", "data set", right=False),
        Column("pipeline", "pipeline", "the whole pipeline", right=False),
        Column("method", "method", "first method of the pipeline", right=False),
        Column("setting", "at", "setting as it was asked for", _setting),
        Column("ratio", "ratio", "the setting, where it is a ratio"),
        Column("seed", "seed", "seed"),
        Column("role", "role", "baseline, candidate or control", right=False),
        Column("protocol", "protocol", "corrected or seed", right=False),
        Column("channel_reduction", "channels", "fraction of channels removed", _percent),
        Column("macs_reduction", "MACs", "fraction of MACs removed", _percent),
        Column("param_reduction", "params", "fraction of parameters removed", _percent),
        Column("target_missed", "missed", "whether the reduction is not the one that was asked for", _yes, right=False),
        Column(
            "below_random",
            "below random",
            "whether random choices (uniform width, from scratch) end better",
            _yes,
            right=False,
        ),
        Column("params", "params left", "parameters", _count),
        Column("macs", "MACs left", "MACs of one image", _count),
        Column("size_bytes", "bytes", "size of the weights file", _count),
        Column("metric", "metric", "name of the primary metric", right=False),
        Column("metric_before_recovery", "{metric} before", "primary metric before recovery", _metric),
        Column("metric_after_recovery", "{metric} after", "primary metric after recovery", _metric),
        Column("baseline_metric", "baseline", "primary metric of the baseline", _metric),
        Column("retention", "retention", "final metric / baseline", _percent),
        Column("delta", "delta", "final metric - baseline", _signed),
        Column(
            "latency_ratio",
            "latency [95 %]",
            "candidate / baseline latency with its interval",
            _latency,
            style=_latency_style,
        ),
        Column("latency_verdict", "speed", "what the interval allows to say", right=False),
        Column(
            "oracle_accuracy",
            "oracle",
            "redundant channels that the method (L1 norms under protocol seed) has in common with the oracle",
            _percent,
        ),
        Column("oracle_chance", "by chance", "what a ranking by chance has in common with the oracle", _percent),
        Column("reconstruction_mse", "output MSE", "squared difference of the outputs from the baseline's", _compact),
        Column("train_iterations", "trained", "optimiser steps of the baseline's training"),
        Column("recover_iterations", "recovered", "optimiser steps of all recoveries"),
        Column("train_seconds", "train s", "wall time of the baseline's training", _seconds),
        Column("prepare_seconds", "prep. s", "wall time of preparation", _seconds),
        Column("compress_seconds", "comp. s", "wall time of compression", _seconds),
        Column("recover_seconds", "recov. s", "wall time of recovery", _seconds),
        Column("evaluate_seconds", "eval. s", "wall time of all evaluations, the baseline's included", _seconds),
        Column("measure_seconds", "meas. s", "wall time of the latency measurement", _seconds),
        Column("oracle_seconds", "oracle s", "wall time of the oracle", _seconds),
        Column("compare_seconds", "cmp. s", "wall time of the comparison with the oracle", _seconds),
        Column("seconds", "total s", "wall time of all stages of the cell, shared ones included", _seconds),
        Column("status", "status", "status and kind of failure", _status, right=False),
    )
}


def choose_columns(names: Sequence[str]) -> list[Column]:
    """Returns the named columns in that order.

    Raises:
        UserError: One of them does not exist.
    """
    for name in names:
        require_column(name, "--columns")
    return [COLUMNS[name] for name in names]


def require_column(name: str, flag: str) -> None:
    """Raises if there is no such column.

    Raises:
        UserError: It names the flag and the columns that come close.
    """
    if name not in COLUMNS:
        message = f"{flag}: there is no column {name!r}"
        raise UserError(message, did_you_mean(name, COLUMNS, "columns"))
