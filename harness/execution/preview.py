"""What a run would do, and why, without doing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.execution.display import duration
from harness.execution.estimate import Estimator, by_kind, taught_estimator
from harness.execution.forcing import dependents_too
from harness.execution.standing import Standings
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
        state: Where it stands now.
        action: `keep` (complete), `run`, or `skip` (failed or blocked before).
        reason: Why.
        to_run: Its stages that would run, shared ones included.
        seconds: Estimate of their wall time one after another; `None` where nothing like them was run.
    """

    cell: Cell
    state: str
    action: str
    reason: str
    to_run: tuple[Stage, ...]
    seconds: float | None


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
                    "state": shown.state,
                    "action": shown.action,
                    "reason": shown.reason,
                    "estimated_seconds": shown.seconds,
                    "stages": [
                        {"kind": stage.kind, "label": stage.label, "identity": stage.identity} for stage in shown.to_run
                    ],
                }
                for shown in self.cells
            ],
        }


def preview(plan: Plan, layout: Layout, *, retry: RetryRule, force: Callable[[Stage], bool] | None = None) -> Preview:
    """Returns what a run with these settings would do, judged by the results folder alone."""
    states = read_states(plan.stages, layout, retry=retry)
    standings = Standings(states, layout)
    forced = dependents_too(plan.stages, force) if force is not None else frozenset()
    running = forced | _will_run(states)
    to_run = tuple(stage for stage in plan.stages if stage in running)
    estimator = taught_estimator(states, standings.earlier)
    return Preview(
        cells=[_cell(planned, states, standings, forced, running, estimator) for planned in plan.cells],
        to_run=to_run,
        stages=len(plan.stages),
        seconds=estimator.remaining(by_kind(to_run)),
    )


def _will_run(states: StageStates) -> frozenset[Stage]:
    """Returns the waiting stages that nothing holds up which is not tried again."""
    found: set[Stage] = set()
    for stage in states.stages:
        sources = (source for _, source in stage.inputs)
        if states[stage] == "waiting" and all(states[source] == "complete" or source in found for source in sources):
            found.add(stage)
    return frozenset(found)


def _cell(
    planned: PlannedCell,
    states: StageStates,
    standings: Standings,
    forced: frozenset[Stage],
    running: frozenset[Stage],
    estimator: Estimator,
) -> CellPreview:
    standing = standings.cell(planned)
    to_run = tuple(stage for stage in planned.stages if stage in running)
    seconds = estimator.remaining(by_kind(to_run))

    def shown(action: str, reason: str) -> CellPreview:
        return CellPreview(planned.cell, standing.state, action, reason, to_run, seconds)

    if any(stage in forced for stage in planned.stages):
        return shown("run", f"forced ({standing})")
    failed = next((stage for stage in planned.stages if states[stage] == "failed"), None)
    if failed is not None:
        kind = states.failures[failed].kind
        return shown("skip", f"{failed.label} failed before: {kind} (--retry {kind})")
    if not to_run:
        return shown("keep" if standing.state == "complete" else "skip", str(standing))
    if standing.state in ("failed", "blocked"):
        return shown("run", f"tried again: {standing.reason}")
    return shown("run", str(standing))
