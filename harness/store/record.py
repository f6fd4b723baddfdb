"""The record: the JSON result of one cell.

Missing values are `null` and have their reason in `missing`; they are never 0 and never left out.
Fractions are 0..1; MACs and parameters are integers, with the input shape they hold for.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.collector import collector_paused
from harness.errors import UserError
from harness.store.atomic import write_text
from harness.store.comparison import Comparison, Convolutions
from harness.store.earlier_records import with_later_parts
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.sealed import DamagedDocumentError, read_sealed, seal

RECORD_SCHEMA = 2
_UNSEALED = (1,)
_MEND = "The next `bench run` of its cell sets it aside and writes it anew from the stages."
CellStatus = Literal["complete", "failed", "blocked", "interrupted", "never_run"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricInfo(_Part):
    """Unit and direction of one metric."""

    unit: str
    higher_is_better: bool


class Size(_Part):
    """What a model weighs.

    Attributes:
        params: Number of parameters.
        macs: Multiply-accumulates of one forward pass of one image of `input_shape`.
        input_shape: [N, C, H, W].
        bytes: Bytes of the weights file.
        convolutions: Its Conv2d layers and their output channels; `None` if an earlier version has made the model.
    """

    params: int
    macs: int
    input_shape: tuple[int, int, int, int]
    bytes: int
    convolutions: Convolutions | None = None


class Labels(_Part):
    """What the labels of a data set are.

    Attributes:
        classes: Number of classes, background included; 0 for regression.
        ignore_index: Label that counts nowhere; `None` where there is none.
    """

    classes: int
    ignore_index: int | None = None


class StepResult(_Part):
    """One model on the way: the baseline, or the model after a compressor or a recovery.

    Attributes:
        step: `"baseline"`, or the call as it is written, e.g. `"fpgm@0.5"`.
        kind: What made it.
        metrics: The task's metrics on `split`; a metric is `None` where it is not defined.
        split: Which split the metrics are of.
        size: Parameters, MACs and bytes.
        artifact: Folder of the model, relative to the results folder.
    """

    step: str
    kind: Literal["baseline", "compress", "recover"]
    metrics: dict[str, float | None] | None = None
    split: str | None = None
    size: Size | None = None
    artifact: str | None = None


class Achieved(_Part):
    """Reductions that were reached, as fractions of the baseline that were removed."""

    channels: float | None = None
    params: float | None = None
    macs: float | None = None


class TargetResult(_Part):
    """What was asked of a cell with one compressor, and what it reached.

    Attributes:
        of: What the ratio is a fraction of.
        asked: The fraction to remove.
        reached: The fraction that was removed, by all passes together.
        missed: Whether what is left is more than 1 % away from what was wanted.
        reason: Why it was missed.
    """

    of: str
    asked: float
    reached: float
    missed: bool
    reason: str | None = None


class Quantiles(_Part):
    """Latency samples of one model in milliseconds."""

    p10: float
    p50: float
    p90: float


class Latency(_Part):
    """Candidate against baseline, interleaved in one process.

    Attributes:
        baseline_ms: Quantiles of the baseline.
        candidate_ms: Quantiles of the candidate.
        ratio: Median of candidate / baseline, round by round; below 1 is faster.
        ratio_low: Lower end of the 95 % bootstrap interval of `ratio`.
        ratio_high: Upper end.
        verdict: What may be said of it.
        rounds: Interleaved rounds that were timed.
        batch_size: Images a forward pass.
        input_size: (height, width).
        dtype: Of weights and images.
        threads: Threads of the process.
        runtime: What ran the model.
        device: On what.
    """

    baseline_ms: Quantiles
    candidate_ms: Quantiles
    ratio: float
    ratio_low: float
    ratio_high: float
    verdict: Literal["faster", "same", "slower", "not measurable"]
    rounds: int
    batch_size: int
    input_size: tuple[int, int]
    dtype: str
    threads: int
    runtime: str
    device: str


class CheckResult(_Part):
    """Verdict of one self-check; only `fail` fails the cell."""

    step: str
    name: str
    verdict: Literal["pass", "fail", "not_applicable"]
    detail: str = ""
    value: float | None = None


class StageCost(_Part):
    """What one stage of the cell cost; its kind and state say why a figure is `None`.

    Attributes:
        kind: Which stage.
        label: What people call it.
        identity: Its identity.
        state: Where it stands.
        seconds: Wall time.
        cpu_seconds: CPU time.
        peak_memory_bytes: Largest resident size of its worker.
        iterations: Optimiser steps that it really spent; `None` for stages that do not train.
    """

    kind: str
    label: str
    identity: str
    state: Literal["complete", "failed", "blocked", "interrupted", "never_run"]
    seconds: float | None = None
    cpu_seconds: float | None = None
    peak_memory_bytes: int | None = None
    iterations: int | None = None


class CellRecord(_Part):
    """The result of one (model, data set, pipeline, seed).

    Attributes:
        schema_version: Version of this format.
        cell: The cell's name, unique in its results folder.
        benchmark: Name of the benchmark.
        task: Name of the task.
        model: Name of the model.
        dataset: Name of the data set.
        pipeline: The whole pipeline, default recoveries written out.
        method: Name of the first method.
        setting: Its setting as it was asked for (ratio, name or budget).
        ratio: The setting, where it is a ratio.
        ratio_of: What the ratio is a fraction of.
        seed: The seed.
        protocol: `corrected` or `seed`.
        role: Whether the cell is a candidate or a control.
        status: Where the cell stands.
        failure: Why it failed, and for a blocked cell why the stage failed that blocks it.
        failed_stage: Label of the failed stage.
        primary_metric: Name of the metric that `retention` and `delta` are about.
        metric_info: Unit and direction of each metric.
        labels: What the labels are that the metrics were computed from.
        baseline: The uncompressed model.
        steps: The models after each step of the pipeline.
        before_recovery: Primary metric behind the last compressor before the last recovery.
        after_recovery: Primary metric behind the last recovery.
        retention: Last model / baseline (inverse where lower is better); `None` for decibels.
        delta: Last model - baseline.
        achieved: Reductions that were reached.
        target: Whether they are what was asked for.
        latency: Candidate against baseline.
        comparison: What the oracle says of rankings of channels, and how far the outputs are from the baseline's.
        checks: Verdicts of the self-checks.
        stages: Costs of the stages, shared ones included.
        seconds: Wall time of all stages of the cell, shared ones counted whole.
        missing: Reason for each missing value, by its path, e.g. `"steps.1.metrics.mIoU"`; see
            `harness.execution.missing`.
        provenance: What made the numbers: `stages` (each distinct environment that a stage ran in), `plugins` and,
            where the baseline was given, its `checkpoint`; and which command wrote the record, `recorded_by`.
    """

    schema_version: Literal[2] = 2
    cell: str
    benchmark: str
    task: str
    model: str
    dataset: str
    pipeline: str
    method: str
    setting: float | str | dict[str, float] | None
    ratio: float | None
    ratio_of: str | None
    seed: int
    protocol: str
    role: Literal["candidate", "control"] = "candidate"
    status: CellStatus
    failure: Failure | None = None
    failed_stage: str | None = None
    primary_metric: str
    metric_info: dict[str, MetricInfo]
    labels: Labels | None = None
    baseline: StepResult | None = None
    steps: list[StepResult] = Field(default_factory=list)
    before_recovery: float | None = None
    after_recovery: float | None = None
    retention: float | None = None
    delta: float | None = None
    achieved: Achieved = Field(default_factory=Achieved)
    target: TargetResult | None = None
    latency: Latency | None = None
    comparison: Comparison | None = None
    checks: list[CheckResult] = Field(default_factory=list)
    stages: list[StageCost] = Field(default_factory=list)
    seconds: float | None = None
    missing: dict[str, str] = Field(default_factory=dict)
    provenance: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True)
class FoundRecords:
    """The records of a results folder.

    Attributes:
        records: All that can be read, in the order of their folders' names.
        problems: Why each of the others cannot be, as sentences that begin with its path.
    """

    records: list[CellRecord]
    problems: list[str]


def write_record(layout: Layout, record: CellRecord, *, replace: bool = True) -> None:
    """Writes the record of a cell, whole or not at all.

    Args:
        layout: The results folder.
        record: The record.
        replace: Whether one that is there is replaced, or left as it is.
    """
    write_text(layout.record(record.cell), seal(record.model_dump(mode="json")), replace=replace)


def read_record(path: Path) -> CellRecord:
    """Reads one record; those of older schema versions are brought up to date.

    Raises:
        UserError: There is none, it is damaged, or of a newer schema than this version knows.
    """
    try:
        content = read_sealed(path, newest=RECORD_SCHEMA, unsealed=_UNSEALED)
    except FileNotFoundError as error:
        message = f"{path}: there is no record"
        raise UserError(message) from error
    except DamagedDocumentError as error:
        newer = "schema version" in error.problem
        hint = "Install a newer compression-bench to read it." if newer else _MEND
        raise UserError(str(error), hint) from error
    try:
        return CellRecord.model_validate(upgrade(content))
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{path}: not a record: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
        raise UserError(message, _MEND) from error


def find_records(layout: Layout) -> FoundRecords:
    """Reads all records of a results folder; one that cannot be read hides no other."""
    found = FoundRecords([], [])
    with collector_paused():
        for path in sorted(layout.cells.glob("*/record.json")):
            try:
                found.records.append(read_record(path))
            except UserError as error:
                found.problems.append(error.message)
    return found


def read_records(layout: Layout) -> list[CellRecord]:
    """Returns the records that can be read; see `find_records` for the others."""
    return find_records(layout).records


def upgrade(content: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of a record of any released schema version as one of the newest.

    * 1 -> 2: a checksum came to the file; the content is the same.
    * What has come to the format within a version is null, with the reason that it would have today.
    """
    return {**with_later_parts(content), "schema_version": RECORD_SCHEMA}
