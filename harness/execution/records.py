"""Keeps the records and the summary of a results folder up with its stages."""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.errors import UserError
from harness.execution.provenance import run_provenance
from harness.execution.recording import Recorder, same_result
from harness.execution.states import StageStates
from harness.plan.cell import PlannedCell
from harness.plan.plan import Plan
from harness.plan.stage import Stage
from harness.store.aside import set_aside
from harness.store.layout import Layout
from harness.store.record import CellRecord, find_records, read_record, write_record
from harness.store.summary import write_summary

_OPEN = ("waiting", "running")
_SUMMARY_SHARE = 0.02  # of a run's time that may go into summaries
_SUMMARY_SECONDS = 10.0


class RecordKeeper:
    """Writes a cell's record as soon as all its stages are settled, and all of them at the end.

    A cell has a record from the beginning of the run, so that a killed run leaves none out of its reports.

    Args:
        plan: What is run.
        layout: The results folder.
        states: Where the stages stand.
        noticed: Told of what was found damaged.
    """

    def __init__(self, plan: Plan, layout: Layout, states: StageStates, noticed: Callable[[str], None]) -> None:
        self._plan = plan
        self._layout = layout
        self._states = states
        self._noticed = noticed
        self._name = plan.benchmark.name or layout.root.name
        self._recorder = Recorder(
            self._name, layout, states, {plan.task.name: plan.task}, plan.methods, run_provenance()
        )
        self._cells: dict[Stage, list[int]] = {}
        for number, cell in enumerate(plan.cells):
            for stage in cell.stages:
                self._cells.setdefault(stage, []).append(number)
        self._last_summary = 0.0
        self._summary_cost = 0.0

    def begin(self) -> None:
        """Writes a record for every cell that has none."""
        for cell in self._plan.cells:
            if not self._layout.record(cell.cell.name).exists():
                write_record(self._layout, self._recorder.record(cell), replace=False)
        self._summarize()

    def update(self, stage: Stage) -> None:
        """Writes the records of the cells of which this was the last open stage."""
        for number in self._cells.get(stage, ()):
            cell = self._plan.cells[number]
            if all(self._states[part] not in _OPEN for part in cell.stages):
                self._write(cell)
        spent = time.monotonic() - self._last_summary
        if spent > max(_SUMMARY_SECONDS, self._summary_cost / _SUMMARY_SHARE):
            self._summarize()

    def write_all(self) -> list[CellRecord]:
        """Writes every record that says something new, and the summary; returns the records in the plan's order."""
        written = [self._write(cell) for cell in self._plan.cells]
        self._summarize()
        return written

    def _write(self, cell: PlannedCell) -> CellRecord:
        """A record that says the same already is left as it is, with the command that made it."""
        record = self._recorder.record(cell)
        path = self._layout.record(cell.cell.name)
        if path.exists() and not self._is_new(record):
            return record
        write_record(self._layout, record)
        return record

    def _is_new(self, record: CellRecord) -> bool:
        path = self._layout.record(record.cell)
        try:
            return not same_result(read_record(path), record)
        except UserError as error:
            set_aside(self._layout, path, error.message)
            self._noticed(f"set aside: {error.message}")
            return True

    def _summarize(self) -> None:
        began = time.monotonic()
        write_summary(self._layout, self._name, find_records(self._layout).records)
        self._last_summary = time.monotonic()
        self._summary_cost = self._last_summary - began
