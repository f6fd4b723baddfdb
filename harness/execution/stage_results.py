"""What single stages made: where each stands, its figures, and the folder of its model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from harness.execution.run import RunOutcome
from harness.execution.states import StageStates
from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import StageFile, read_stage

_STATES = {"waiting": "never_run", "left_out": "never_run", "running": "interrupted"}
_MAKES_MODEL = ("train", "compress", "recover")


@dataclass(frozen=True)
class StageResult:
    """What one stage made.

    Attributes:
        kind: Which stage it is.
        label: What people call it.
        subject: Model, data set and seed.
        state: complete, failed, blocked, interrupted or never_run.
        ran: Whether it was run now, and not kept from an earlier command.
        seconds: Wall time.
        figures: What it found out, by name; empty if it is not complete. Reductions are fractions of the baseline that
            were removed.
        artifact: Folder of its model, relative to the results folder.
        failure: Why it failed.
        blocked_by: Label of the stage whose failure keeps it from running.
    """

    kind: str
    label: str
    subject: str
    state: str
    ran: bool
    seconds: float | None
    figures: dict[str, Any]
    artifact: str | None
    failure: Failure | None
    blocked_by: str | None

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain JSON."""
        failure = self.failure.model_dump(mode="json") if self.failure is not None else None
        return {**asdict(self), "failure": failure}


def stage_results(stages: Iterable[Stage], layout: Layout, outcome: RunOutcome) -> list[StageResult]:
    """Returns what each of the stages of a run made, in their order."""
    ran, states = frozenset(outcome.executed), outcome.states
    return [_result(stage, layout, states, ran=stage in ran) for stage in stages]


def _result(stage: Stage, layout: Layout, states: StageStates, *, ran: bool) -> StageResult:
    state = states[stage]
    file = read_stage(layout, stage.kind, stage.identity) if state == "complete" else None
    blocker = states.blocker(stage) if state == "blocked" else None
    folder = layout.stage(stage.kind, stage.identity) / "model"
    return StageResult(
        kind=stage.kind,
        label=stage.label,
        subject=stage.subject,
        state=_STATES.get(state, state),
        ran=ran,
        seconds=file.seconds if file is not None else None,
        figures=_figures(stage, file, layout) if file is not None else {},
        artifact=folder.relative_to(layout.root).as_posix() if file and stage.kind in _MAKES_MODEL else None,
        failure=states.failures.get(stage) if state == "failed" else None,
        blocked_by=blocker.label if blocker is not None else None,
    )


def _figures(stage: Stage, file: StageFile, layout: Layout) -> dict[str, Any]:
    result = file.result
    if stage.kind == "evaluate":
        return {"split": result["split"], "metrics": result["metrics"]}
    if stage.kind == "measure":
        return dict(result["latency"])
    if stage.kind == "oracle":
        return {**result, "layers": [layer["layer"] for layer in result["layers"]]}
    if stage.kind == "compare":
        return dict(result)
    found = {"iterations": result.get("iterations"), "loss": result.get("final_loss"), **result.get("size", {})}
    if stage.kind == "compress":
        found["removed"] = {**result["achieved"], **_reductions(stage, result["size"], layout)}
    return {name: value for name, value in found.items() if value is not None}


def _reductions(stage: Stage, size: dict[str, Any], layout: Layout) -> dict[str, float]:
    """Returns the fractions of the baseline's parameters and MACs that are gone."""
    baseline = stage
    while "model" in (inputs := dict(baseline.inputs)):
        baseline = inputs["model"]
    file = read_stage(layout, baseline.kind, baseline.identity)
    before = file.result["size"] if file is not None else {}
    return {name: 1 - size[name] / before[name] for name in ("params", "macs") if before.get(name)}
