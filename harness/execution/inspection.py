"""A results folder as it stands today: what it was asked for last, planned anew, against what lies in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from harness.errors import BenchError, UserError
from harness.execution.estimate import by_kind, taught_estimator
from harness.execution.standing import Standing, Standings
from harness.execution.states import read_states
from harness.plan.cell import PlannedCell
from harness.plan.plan import make_plan
from harness.plan.stage import Stage
from harness.registry import discover
from harness.spec.benchmark_file import load_benchmark
from harness.store.layout import Layout
from harness.store.record import CellRecord, find_records
from harness.store.stage import find_stage


@dataclass(frozen=True)
class InspectedCell:
    """One cell of a results folder.

    Attributes:
        name: The cell's name.
        pipeline: Its pipeline.
        standing: Where it stands.
        planned: The cell as it would be run today; `None` for one that the last run did not ask for.
        record: Its record, if there is one that can be read.
        seconds: Estimate of the time of what is not there; `None` where nothing like it was run.
    """

    name: str
    pipeline: str
    standing: Standing
    planned: PlannedCell | None
    record: CellRecord | None
    seconds: float | None


@dataclass(frozen=True)
class Inspection:
    """What a results folder says of itself.

    Attributes:
        layout: The folder.
        cells: All its cells, those of the last run first.
        standings: Where the stages of the last run's cells stand; `None` if they could not be planned.
        seconds: Estimate of the time of all that is not there.
        problems: What could not be read or planned, as sentences.
    """

    layout: Layout
    cells: list[InspectedCell]
    standings: Standings | None
    seconds: float | None
    problems: list[str]


def inspect_folder(layout: Layout) -> Inspection:
    """Returns where every cell of a results folder stands; writes nothing."""
    found = find_records(layout)
    records = {record.cell: record for record in found.records}
    problems = list(found.problems)
    cells: list[InspectedCell] = []
    standings, seconds = None, None
    try:
        planned = _plan(layout)
    except BenchError as error:
        problems.append(f"what the last run asked for cannot be planned today: {error.message}")
    else:
        states = read_states([stage for cell in planned for stage in cell.stages], layout)
        standings = Standings(states, layout)
        estimator = taught_estimator(states, standings.earlier)
        missing: dict[Stage, None] = {}
        for cell in planned:
            absent = [stage for stage in cell.stages if states[stage] != "complete"]
            missing.update(dict.fromkeys(absent))
            cells.append(
                InspectedCell(
                    name=cell.cell.name,
                    pipeline=str(cell.cell.pipeline),
                    standing=standings.cell(cell),
                    planned=cell,
                    record=records.pop(cell.cell.name, None),
                    seconds=estimator.remaining(by_kind(absent)),
                )
            )
        seconds = estimator.remaining(by_kind(missing))
    cells.extend(_outside(layout, record) for record in records.values())
    return Inspection(layout, cells, standings, seconds, problems)


def _plan(layout: Layout) -> tuple[PlannedCell, ...]:
    if not layout.benchmark.exists():
        message = f"{layout.benchmark}: there is none"
        raise UserError(message)
    how = _how(layout)
    registry = discover(disabled=how.get("disabled", ()))
    return make_plan(
        load_benchmark(layout.benchmark),
        registry,
        device=how.get("device", "auto"),
        limit=how.get("limit"),
        methods_required=False,
    ).cells


def _how(layout: Layout) -> dict[str, Any]:
    """A folder without a readable `run.json` was made by an older version, on whatever device it chose."""
    try:
        how = json.loads(layout.run.read_bytes())
    except (OSError, ValueError):
        return {}
    return how if isinstance(how, dict) else {}


def _outside(layout: Layout, record: CellRecord) -> InspectedCell:
    """A cell that the last run did not ask for is judged by its record and the stages that this names."""
    gone = []
    for stage in record.stages:
        found = find_stage(layout, stage.kind, stage.identity)
        if stage.state == "complete" and found.file is None:
            gone.append(f"damaged: {found.problem}" if found.problem else f"gone: {stage.label}")
    if gone:
        standing = Standing("stale", ", ".join(gone))
    elif record.failure is not None:
        standing = Standing(record.status, f"{record.failed_stage}: {record.failure.kind}: {record.failure.message}")
    else:
        standing = Standing(record.status)
    return InspectedCell(record.cell, record.pipeline, standing, None, record, None)
