"""`summary.json`: all cells of a results folder on one page, rebuilt from the records alone.

Like in a record, missing values are `null`, never 0 and never left out. JSON Schema: `docs/summary.v1.schema.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from harness.store.atomic import write_text
from harness.store.failure import FailureKind
from harness.store.layout import Layout
from harness.store.record import CellRecord, CellStatus, StepResult
from harness.store.stage import StageKind

SUMMARY_SCHEMA = 1


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SummaryStats(_Part):
    """How many cells ended how.

    Attributes:
        total_experiments: All cells.
        completed: Those that are complete.
        failed: Those that failed or are blocked by a failure.
        success_rate: completed / all, `None` without any cell.
    """

    total_experiments: int = Field(ge=0)
    completed: int = Field(ge=0)
    failed: int = Field(ge=0)
    success_rate: float | None


class SummaryRow(_Part):
    """The flat figures of one cell; see `harness.store.record.CellRecord` for those that are named like its own.

    Attributes:
        failure: Kind of the failure.
        channel_reduction: Fraction of the channels that was removed; those of parameters and MACs likewise.
        target_missed: Whether the reduction is not the one that was asked for.
        params: Parameters of the last model; MACs and bytes likewise.
        metric: Name of the primary metric.
        baseline_metric: The primary metric of the baseline, and before and after the last recovery.
        latency_ratio: Median of candidate / baseline; `low` and `high` are the ends of its 95 % interval.
        oracle_accuracy: How far the method's ranking of channels agrees with the oracle's, under protocol `seed` that
            by L1 norms: the mean of `comparison.layers`.
        oracle_chance: What rankings by chance reach there.
        reconstruction_mse: Mean squared difference of the last model's outputs and the baseline's.
        seconds: Wall time of all stages; `train_seconds` and so on, of those of one kind.
        train_iterations: Optimiser steps that the baseline spent; those of all recoveries likewise.
        metrics: All metrics of the last model.
    """

    cell: str
    pipeline: str
    method: str
    setting: float | str | dict[str, float] | None
    ratio: float | None
    ratio_of: str | None
    model: str
    dataset: str
    seed: int
    protocol: str
    role: Literal["candidate", "control"]
    status: CellStatus
    failure: FailureKind | None
    channel_reduction: float | None
    param_reduction: float | None
    macs_reduction: float | None
    target_missed: bool | None
    params: int | None
    macs: int | None
    size_bytes: int | None
    metric: str
    baseline_metric: float | None
    metric_before_recovery: float | None
    metric_after_recovery: float | None
    retention: float | None
    delta: float | None
    latency_ratio: float | None
    latency_ratio_low: float | None
    latency_ratio_high: float | None
    latency_verdict: Literal["faster", "same", "slower", "not measurable"] | None
    oracle_accuracy: float | None
    oracle_chance: float | None
    reconstruction_mse: float | None
    seconds: float | None
    train_seconds: float | None
    prepare_seconds: float | None
    compress_seconds: float | None
    recover_seconds: float | None
    evaluate_seconds: float | None
    measure_seconds: float | None
    oracle_seconds: float | None
    compare_seconds: float | None
    train_iterations: int | None
    recover_iterations: int | None
    metrics: dict[str, float | None] | None


class SummaryFile(_Part):
    """`summary.json`.

    Attributes:
        schema_version: Version of this format.
        benchmark: Name of the benchmark.
        summary_stats: How many cells ended how.
        results: One row a cell, in the order of the records.
    """

    schema_version: Literal[1] = 1
    benchmark: str
    summary_stats: SummaryStats
    results: list[SummaryRow]


def summarize(benchmark: str, records: Sequence[CellRecord]) -> SummaryFile:
    """Returns the summary of some records."""
    completed = sum(record.status == "complete" for record in records)
    failed = sum(record.status in ("failed", "blocked") for record in records)
    total = len(records)
    stats = SummaryStats(
        total_experiments=total, completed=completed, failed=failed, success_rate=completed / total if total else None
    )
    # Rows come from validated records, and there may be ten thousand of them.
    rows = [SummaryRow.model_construct(**flatten(record)) for record in records]
    return SummaryFile.model_construct(benchmark=benchmark, summary_stats=stats, results=rows)


def write_summary(layout: Layout, benchmark: str, records: Sequence[CellRecord]) -> None:
    """Writes `summary.json`, whole or not at all."""
    write_text(layout.summary, summarize(benchmark, records).model_dump_json(indent=2) + "\n")


def flatten(record: CellRecord) -> dict[str, Any]:
    """Returns the flat figures of a record, the fields of `SummaryRow`: what a report's row and a data frame need."""
    latency, final = record.latency, _last(record)
    size = final.size if final else None
    base, comparison = record.baseline, record.comparison
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
        "target_missed": record.target.missed if record.target else None,
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
        "oracle_accuracy": comparison.accuracy(record.protocol) if comparison else None,
        "oracle_chance": comparison.chance(record.protocol) if comparison else None,
        "reconstruction_mse": comparison.reconstruction_mse if comparison else None,
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
