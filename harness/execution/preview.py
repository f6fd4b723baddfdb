"""What a run would do, and why, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.execution.display import duration
from harness.execution.estimate import Estimator
from harness.execution.states import RetryRule, StageStates, read_states
from harness.plan.cell import Cell, PlannedCell
from harness.plan.plan import Plan
from harness.plan.stage import Stage
from harness.store.layout import Layout


@dataclass(frozen=True)
class CellPreview:
    """What would happen to one cell.

    Attributes:
        cell: The cell.
        action: `keep` (complete), `run`, or `skip` (failed or blocked before).
        reason: Why.
        to_run: Its stages that would run.
    """

    cell: Cell
    action: str
    reason: str
    to_run: tuple[Stage, ...]


@dataclass(frozen=True)
class Preview:
    """What would happen to all cells.

    Attributes:
        cells: One by one.
        to_run: All stages that would run, shared ones once.
        stages: Number of all stages.
        seconds: Estimate of their wall time one after another; `None` where nothing like them was run.
    """

    cells: Sequence[CellPreview]
    to_run: tuple[Stage, ...]
    stages: int
    seconds: float | None

    def sentence(self) -> str:
        """Returns the preview in one sentence."""
        if not self.to_run:
            return f"Nothing to run: all {self.stages} stages of {len(self.cells)} cells are settled."
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(stage.kind for stage in self.to_run).items())
        time = f", about {duration(self.seconds)} with one worker" if self.seconds is not None else ""
        return f"{len(self.to_run)} of {self.stages} stages to run ({kinds}){time}."

    def as_json(self) -> dict[str, Any]:
        """Returns the preview as plain JSON."""
        return {
            "stages": self.stages,
            "stages_to_run": len(self.to_run),
            "estimated_seconds": self.seconds,
            "cells": [
                {
                    "cell": shown.cell.name,
                    "role": shown.cell.role,
                    "action": shown.action,
                    "reason": shown.reason,
                    "stages": [
                        {"kind": stage.kind, "label": stage.label, "identity": stage.identity} for stage in shown.to_run
                    ],
                }
                for shown in self.cells
            ],
        }


def preview(plan: Plan, layout: Layout, *, retry: RetryRule, skip_existing: bool) -> Preview:
    """Returns what a run with these settings would do, judged by the results folder alone."""
    states = read_states(plan.stages, layout, retry=retry, skip_existing=skip_existing)
    estimator = Estimator()
    estimator.learn_from(plan.stages, layout)
    to_run = tuple(stage for stage in plan.stages if states[stage] == "waiting")
    return Preview(
        cells=[_cell(planned, states, skip_existing) for planned in plan.cells],
        to_run=to_run,
        stages=len(plan.stages),
        seconds=estimator.remaining(to_run) if to_run else 0.0,
    )


def _cell(planned: PlannedCell, states: StageStates, skip_existing: bool) -> CellPreview:
    to_run = tuple(stage for stage in planned.stages if states[stage] == "waiting")
    failed = next((stage for stage in planned.stages if states[stage] == "failed"), None)
    if failed is not None:
        reason = (
            f"{failed.label} failed before: {states.failures[failed].kind} (--retry {states.failures[failed].kind})"
        )
        return CellPreview(planned.cell, "skip", reason, to_run)
    if not to_run:
        return CellPreview(planned.cell, "keep", "complete", ())
    if not skip_existing:
        return CellPreview(planned.cell, "run", "asked to run again", to_run)
    if len(to_run) == len(planned.stages):
        return CellPreview(planned.cell, "run", "never run", to_run)
    kept = len(planned.stages) - len(to_run)
    return CellPreview(planned.cell, "run", f"{kept} of {len(planned.stages)} stages are there already", to_run)
