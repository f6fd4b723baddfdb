"""Rows of the report table: one a cell, and one for each baseline."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report.collection import Run
from harness.report.columns import Row
from harness.report.controls import below_random
from harness.store.record import CellRecord
from harness.store.summary import flatten


def make_rows(runs: Sequence[Run], sort: str = "") -> list[Row]:
    """Returns the rows of all runs: by model, data set, seed, protocol and training, the baseline first.

    A results folder may hold cells of several budgets; each stands below the baseline that it started from.

    Args:
        runs: What `collect_runs` found.
        sort: Column to sort by instead; a leading `-` sorts downwards. Missing values come last.
    """
    rows = [row for run in runs for row in _rows_of(run)]
    if not sort:
        return rows
    name, descending = sort.removeprefix("-"), sort.startswith("-")
    present = [row for row in rows if row.get(name) is not None]
    missing = [row for row in rows if row.get(name) is None]
    return sorted(present, key=lambda row: _comparable(row[name]), reverse=descending) + missing


def _comparable(value: object) -> tuple[int, float, str]:
    """Numbers before names, so that a column of settings that mixes both can be sorted."""
    if isinstance(value, (int, float)):
        return (0, float(value), "")
    return (1, 0.0, str(value))


def _rows_of(run: Run) -> list[Row]:
    groups: dict[tuple[str, str, int, str, str], list[CellRecord]] = {}
    for record in run.records:
        group = (record.model, record.dataset, record.seed, record.protocol, _training(record))
        groups.setdefault(group, []).append(record)
    rows: list[Row] = []
    for _, records in sorted(groups.items()):
        ordered = sorted(records, key=_order)
        baseline = _baseline(ordered)
        rows.extend([baseline] if baseline is not None else [])
        rows.extend({**flatten(record), "below_random": below_random(record, ordered)} for record in ordered)
    return [{"run": run.folder.name, **row} for row in rows]


def _training(record: CellRecord) -> str:
    """Returns the identity of the stage that trained the cell's baseline."""
    return next((stage.identity for stage in record.stages if stage.kind == "train"), "")


def _order(record: CellRecord) -> tuple[bool, str, float, str]:
    return (
        record.role == "control",
        record.method,
        record.ratio if record.ratio is not None else -1.0,
        record.pipeline,
    )


def _baseline(records: Sequence[CellRecord]) -> Row | None:
    """Returns the row of the uncompressed model, from any cell that knows its metrics."""
    known = [record for record in records if record.baseline and record.baseline.metrics and record.baseline.size]
    if not known:
        return None
    record = known[0]
    base = record.baseline
    assert base is not None
    assert base.metrics is not None
    assert base.size is not None
    train = next((stage for stage in record.stages if stage.kind == "train"), None)
    evaluate = next((stage for stage in record.stages if stage.kind == "evaluate"), None)  # the baseline's is first
    seconds = [stage.seconds for stage in (train, evaluate) if stage and stage.seconds is not None]
    return {
        "cell": None,
        "pipeline": "baseline",
        "method": "baseline",
        "model": record.model,
        "dataset": record.dataset,
        "seed": record.seed,
        "protocol": record.protocol,
        "role": "baseline",
        "status": "complete",
        "params": base.size.params,
        "macs": base.size.macs,
        "size_bytes": base.size.bytes,
        "metric": record.primary_metric,
        "baseline_metric": base.metrics.get(record.primary_metric),
        "metric_after_recovery": base.metrics.get(record.primary_metric),
        "train_iterations": train.iterations if train else None,
        "train_seconds": train.seconds if train else None,
        "evaluate_seconds": evaluate.seconds if evaluate else None,
        "seconds": sum(seconds) if seconds else None,
        "metrics": base.metrics,
    }
