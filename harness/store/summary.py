"""`summary.json`: all cells of a results folder on one page, rebuilt from the records alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

from harness.store.atomic import write_json
from harness.store.layout import Layout
from harness.store.record import CellRecord, StepResult
from harness.store.stage import StageKind

SUMMARY_SCHEMA = 1


def summarize(benchmark: str, records: Sequence[CellRecord]) -> dict[str, Any]:
    """Returns the summary of some records as plain JSON.

    `success_rate` is completed / all, `None` without any cell.
    """
    completed = sum(record.status == "complete" for record in records)
    failed = sum(record.status in ("failed", "blocked") for record in records)
    total = len(records)
    return {
        "schema_version": SUMMARY_SCHEMA,
        "benchmark": benchmark,
        "summary_stats": {
            "total_experiments": total,
            "completed": completed,
            "failed": failed,
            "success_rate": completed / total if total else None,
        },
        "results": [flatten(record) for record in records],
    }


def write_summary(layout: Layout, benchmark: str, records: Sequence[CellRecord]) -> None:
    """Writes `summary.json`, whole or not at all."""
    write_json(layout.summary, summarize(benchmark, records))


def flatten(record: CellRecord) -> dict[str, Any]:
    """Returns the flat figures of a record: what a report's row and a data frame need."""
    latency, final = record.latency, _last(record)
    size = final.size if final else None
    base = record.baseline
    return {
        "cell": record.cell,
        "pipeline": record.pipeline,
        "method": record.method,
        "setting": record.setting,
        "ratio": record.ratio,
        "ratio_of": record.ratio_of,
        "model": record.model,
        "dataset": record.dataset,
        "seed": record.seed,
        "protocol": record.protocol,
        "role": record.role,
        "status": record.status,
        "failure": record.failure.kind if record.failure else None,
        "channel_reduction": record.achieved.channels,
        "param_reduction": record.achieved.params,
        "macs_reduction": record.achieved.macs,
        "params": size.params if size else None,
        "macs": size.macs if size else None,
        "size_bytes": size.bytes if size else None,
        "metric": record.primary_metric,
        "baseline_metric": (base.metrics or {}).get(record.primary_metric) if base else None,
        "metric_before_recovery": record.before_recovery,
        "metric_after_recovery": record.after_recovery,
        "retention": record.retention,
        "delta": record.delta,
        "latency_ratio": latency.ratio if latency else None,
        "latency_ratio_low": latency.ratio_low if latency else None,
        "latency_ratio_high": latency.ratio_high if latency else None,
        "latency_verdict": latency.verdict if latency else None,
        "seconds": record.seconds,
        **{f"{kind}_seconds": _seconds(record, kind) for kind in get_args(StageKind)},
        "train_iterations": _iterations(record, "train"),
        "recover_iterations": _iterations(record, "recover"),
        "metrics": final.metrics if final else None,
    }


def _last(record: CellRecord) -> StepResult | None:
    return record.steps[-1] if record.steps else None


def _seconds(record: CellRecord, kind: str) -> float | None:
    costs = [stage.seconds for stage in record.stages if stage.kind == kind and stage.seconds is not None]
    return sum(costs) if costs else None


def _iterations(record: CellRecord, kind: str) -> int | None:
    spent = [stage.iterations for stage in record.stages if stage.kind == kind and stage.iterations is not None]
    return sum(spent) if spent else None
