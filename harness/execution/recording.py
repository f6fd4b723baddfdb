"""From stages to records: what a cell's complete stages say, and why the rest is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.execution.missing import missing_reasons
from harness.execution.states import StageStates
from harness.execution.target import cell_target
from harness.plan.cell import ModelPoint, PlannedCell
from harness.plan.stage import Stage
from harness.registry import MethodDescriptor, Metric, TaskDescriptor
from harness.spec.setting import setting_json
from harness.store.comparison import Comparison
from harness.store.layout import Layout
from harness.store.record import (
    Achieved,
    CellRecord,
    CellStatus,
    CheckResult,
    Labels,
    Latency,
    MetricInfo,
    Size,
    StageCost,
    StepResult,
)
from harness.store.stage import StageFile, read_stage

_COST_STATES = {"waiting": "never_run", "left_out": "never_run", "running": "interrupted"}


class Recorder:
    """Assembles records from stages alone.

    Args:
        benchmark: Name of the benchmark.
        layout: The results folder.
        states: Where the stages stand.
        tasks: Task descriptors by name.
        methods: Method descriptors by name.
        provenance: The command that writes the records, and where it runs; says nothing of what made the numbers.
        primaries: The metric by which cells are compared, by the name of their data set; default: their task's.
    """

    def __init__(
        self,
        benchmark: str,
        layout: Layout,
        states: StageStates,
        tasks: Mapping[str, TaskDescriptor],
        methods: Mapping[str, MethodDescriptor],
        provenance: Mapping[str, Any],
        primaries: Mapping[str, Metric] | None = None,
    ) -> None:
        self._benchmark = benchmark
        self._layout = layout
        self._states = states
        self._tasks = tasks
        self._methods = methods
        self._provenance = provenance
        self._primaries = primaries or {}

    def record(self, planned: PlannedCell) -> CellRecord:
        """Returns the record of a cell as its stages stand now."""
        cell, task = planned.cell, self._tasks[planned.cell.task]
        files = {stage: self._file(stage) for stage in planned.stages}
        points = [self._step(point, files) for point in planned.points]
        status, failed = self._status(planned)
        primary = self._primaries.get(cell.dataset, task.primary)
        axis = self._methods[cell.method].axis
        figures = _Figures(points, primary.name, primary.higher_is_better, primary.unit)
        achieved = _achieved(points, planned.points, files)
        record = CellRecord(
            cell=cell.name,
            benchmark=self._benchmark,
            task=cell.task,
            model=cell.model,
            dataset=cell.dataset,
            pipeline=str(cell.pipeline),
            method=cell.method,
            setting=setting_json(cell.setting),
            ratio=cell.setting if axis == "ratio" and isinstance(cell.setting, float) else None,
            ratio_of=cell.ratio_of if axis == "ratio" else None,
            seed=cell.seed,
            protocol=cell.protocol,
            role=cell.role,
            status=status,
            failure=self._states.failures.get(failed) if failed else None,
            failed_stage=failed.label if failed else None,
            primary_metric=primary.name,
            metric_info={
                metric.name: MetricInfo(unit=metric.unit, higher_is_better=metric.higher_is_better)
                for metric in task.metrics
            },
            labels=_labels(files[planned.points[0].evaluated]),
            baseline=points[0],
            steps=points[1:],
            before_recovery=figures.before_recovery,
            after_recovery=figures.after_recovery,
            retention=figures.retention,
            delta=figures.delta,
            achieved=achieved,
            target=cell_target(planned, files, achieved, self._methods),
            latency=_latency(files[planned.measured]),
            comparison=_comparison(files[planned.compared] if planned.compared is not None else None),
            checks=_checks(planned, files),
            stages=[self._cost(stage, files[stage]) for stage in planned.stages],
            seconds=_total_seconds(files) if status == "complete" else None,
            provenance={
                "stages": _environments(files),
                "plugins": _plugins(planned),
                **_given_checkpoint(planned, files),
                "recorded_by": dict(self._provenance),
            },
        )
        return record.model_copy(update={"missing": missing_reasons(record)})

    def _file(self, stage: Stage) -> StageFile | None:
        if self._states[stage] != "complete":
            return None
        return read_stage(self._layout, stage.kind, stage.identity)

    def _step(self, point: ModelPoint, files: Mapping[Stage, StageFile | None]) -> StepResult:
        made, evaluated = files[point.made], files[point.evaluated]
        folder = self._layout.stage(point.made.kind, point.made.identity) / "model"
        return StepResult(
            step=point.step,
            kind=point.kind,
            metrics=evaluated.result["metrics"] if evaluated else None,
            split=evaluated.result["split"] if evaluated else None,
            size=Size.model_validate(made.result["size"]) if made else None,
            artifact=folder.relative_to(self._layout.root).as_posix() if made else None,
        )

    def _status(self, planned: PlannedCell) -> tuple[CellStatus, Stage | None]:
        states = {stage: self._states[stage] for stage in planned.stages}
        for stage, state in states.items():
            if state == "failed":
                return ("blocked" if planned.shares(stage) else "failed"), stage
        if all(state == "complete" for state in states.values()):
            return "complete", None
        # Records are written when a run ends; what still waits then was cut off.
        in_flight = any(state in ("interrupted", "running") for state in states.values())
        own = any(state == "complete" and not planned.shares(stage) for stage, state in states.items())
        return ("interrupted" if in_flight or own else "never_run"), None

    def _cost(self, stage: Stage, file: StageFile | None) -> StageCost:
        state = self._states[stage]
        return StageCost(
            kind=stage.kind,
            label=stage.label,
            identity=stage.identity,
            state=_COST_STATES.get(state, state),
            seconds=file.seconds if file else None,
            cpu_seconds=file.cpu_seconds if file else None,
            peak_memory_bytes=file.peak_memory_bytes if file else None,
            iterations=file.result.get("iterations") if file else None,
        )


def same_result(old: CellRecord, new: CellRecord) -> bool:
    """Returns whether two records of a cell say the same, whatever command recorded them."""
    return _without_recorder(old) == _without_recorder(new)


def _without_recorder(record: CellRecord) -> dict[str, Any]:
    content = record.model_dump(mode="json")
    content["provenance"].pop("recorded_by", None)
    return content


class _Figures:
    """The primary metric along the pipeline."""

    def __init__(self, points: list[StepResult], metric: str, higher_is_better: bool, unit: str) -> None:
        values = [(point.metrics or {}).get(metric) for point in points]
        recovers = [index for index, point in enumerate(points) if point.kind == "recover"]
        compresses = [index for index, point in enumerate(points) if point.kind == "compress"]
        last_recovery = recovers[-1] if recovers else len(points)
        behind = [index for index in compresses if index < last_recovery]
        self.before_recovery = values[behind[-1]] if behind else None
        self.after_recovery = values[last_recovery] if recovers else None
        baseline, final = values[0], values[-1]
        self.delta = final - baseline if final is not None and baseline is not None else None
        self.retention = _retention(baseline, final, higher_is_better) if unit != "dB" else None


def _retention(baseline: float | None, final: float | None, higher_is_better: bool) -> float | None:
    if baseline is None or final is None:
        return None
    over, under = (final, baseline) if higher_is_better else (baseline, final)
    return over / under if under else None


def _achieved(
    points: list[StepResult], planned: tuple[ModelPoint, ...], files: Mapping[Stage, StageFile | None]
) -> Achieved:
    baseline, final = points[0].size, points[-1].size
    return Achieved(
        channels=_removed_channels([files[point.made] for point in planned if point.kind == "compress"]),
        params=1 - final.params / baseline.params if baseline and final else None,
        macs=1 - final.macs / baseline.macs if baseline and final else None,
    )


def _removed_channels(compressed: list[StageFile | None]) -> float | None:
    """Returns the fraction of channels that compressors removed together: each says what it took of what was left.

    Args:
        compressed: Their stages, in order; one that is not complete leaves the figure open.
    """
    removed = None
    for file in compressed:
        if file is None:
            return None
        channels = file.result["achieved"].get("channels")
        if channels is not None:
            before = removed or 0.0
            removed = before + (1 - before) * channels
    return removed


def _latency(measured: StageFile | None) -> Latency | None:
    return Latency.model_validate(measured.result["latency"]) if measured else None


def _labels(evaluated: StageFile | None) -> Labels | None:
    """Returns what an evaluation has noted of its labels; those of earlier versions did not."""
    noted = evaluated.result.get("labels") if evaluated else None
    return Labels.model_validate(noted) if noted is not None else None


def _comparison(compared: StageFile | None) -> Comparison | None:
    return Comparison.model_validate(compared.result) if compared else None


def _checks(planned: PlannedCell, files: Mapping[Stage, StageFile | None]) -> list[CheckResult]:
    return [
        CheckResult(step=point.step, **check)
        for point in planned.points
        if (file := files[point.made]) is not None
        for check in file.result.get("checks", [])
    ]


def _total_seconds(files: Mapping[Stage, StageFile | None]) -> float:
    return sum(file.seconds for file in files.values() if file is not None)


def _environments(files: Mapping[Stage, StageFile | None]) -> list[dict[str, Any]]:
    """Returns each distinct environment that the cell's stages ran in."""
    distinct: list[dict[str, Any]] = []
    for file in files.values():
        if file is not None and file.environment not in distinct:
            distinct.append(file.environment)
    return distinct


def _plugins(planned: PlannedCell) -> dict[str, dict[str, str | None]]:
    """Returns distribution, version and source hash of all plugins that made the cell, by role and name."""
    return {f"{stage.kind}.{role}": plugin for stage in planned.stages for role, plugin in stage.fields.plugins.items()}


def _given_checkpoint(planned: PlannedCell, files: Mapping[Stage, StageFile | None]) -> dict[str, Any]:
    """Returns digest and file name of the baseline's checkpoint, if it was given and not trained."""
    baseline = files[planned.points[0].made]
    found = baseline.result.get("checkpoint") if baseline is not None else None
    return {"checkpoint": found} if found is not None else {}
