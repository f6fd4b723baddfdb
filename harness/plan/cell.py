"""Cells: the points of the grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from harness.plan.stage import Stage
from harness.spec.pipeline import Pipeline
from harness.spec.setting import Setting

StepKind = Literal["baseline", "compress", "recover"]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where cells stand that have one baseline.

    Attributes:
        task: Name of the task.
        model: Name of the model as it was asked for.
        dataset: Name of the data set.
        seed: The seed.
        protocol: `corrected` or `seed`.
        ratio_of: What a ratio is a fraction of.
    """

    task: str
    model: str
    dataset: str
    seed: int
    protocol: str
    ratio_of: str


@dataclass(frozen=True, kw_only=True)
class Cell(Place):
    """One (model, data set, pipeline, seed): the unit of a result table.

    Attributes:
        pipeline: The pipeline with its default recoveries written out.
        role: Whether the cell is a candidate or a control.
    """

    pipeline: Pipeline
    role: Literal["candidate", "control"] = "candidate"

    @property
    def method(self) -> str:
        """Name of the first method."""
        return self.pipeline.steps[0].calls[0].name

    @property
    def setting(self) -> Setting | None:
        """Setting of the first method."""
        return self.pipeline.steps[0].calls[0].setting

    @cached_property
    def name(self) -> str:
        """The cell's name, unique in its results folder."""
        parts = [self.model, self.dataset, str(self.pipeline), f"seed{self.seed}"]
        if self.ratio_of != "channels":
            parts.insert(3, self.ratio_of)
        if self.protocol != "corrected":
            parts.insert(3, self.protocol)
        return "__".join(parts)


@dataclass(frozen=True)
class ModelPoint:
    """A model on the way through a pipeline, and the stages that make and evaluate it.

    Attributes:
        step: `"baseline"`, or the call as it is written; with several passes, `fpgm@0.5(steps=3) pass 2 of 3`.
        kind: What made it.
        made: The stage whose folder holds the model.
        evaluated: The stage that evaluates it.
    """

    step: str
    kind: StepKind
    made: Stage
    evaluated: Stage


@dataclass(frozen=True)
class PlannedCell:
    """A cell with its stages.

    Attributes:
        cell: The point of the grid.
        points: The baseline, then the model after each step, or after each of its passes.
        prepared: The `prepare` stages that other settings start from too; what a later pass prepares is its own.
        measured: The stage that measures the last model against the baseline.
        oracle: The stage that finds out what channels are worth, where the benchmark asks for it; that of the baseline
            is shared, that of the last model (protocol `seed`) is the cell's own.
        compared: The stage that compares with it, and the last model's outputs with the baseline's.
    """

    cell: Cell
    points: tuple[ModelPoint, ...]
    prepared: tuple[Stage, ...]
    measured: Stage
    oracle: Stage | None = None
    compared: Stage | None = None

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, each behind its inputs."""
        ordered: dict[Stage, None] = {}
        if self.oracle is not None and self.shares(self.oracle):
            # In front of everything else that the baseline is for: a layer that is not there is told early.
            ordered.update(dict.fromkeys((self.points[0].made, self.oracle)))
        for point in self.points:
            for stage in (point.made, point.evaluated):
                for _, source in stage.inputs:
                    ordered.setdefault(source)
                ordered.setdefault(stage)
        for stage in filter(None, (self.oracle, self.compared, self.measured)):
            ordered.setdefault(stage)
        return tuple(ordered)

    def shares(self, stage: Stage) -> bool:
        """Returns whether a stage is not the cell's own work but what other cells start from too."""
        baseline = self.points[0]
        if stage.kind == "oracle":
            return dict(stage.inputs)["model"] == baseline.made
        return stage.kind == "train" or stage in self.prepared or stage == baseline.evaluated
