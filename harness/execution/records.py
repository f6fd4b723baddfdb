"""Keeps the records and the summary of a results folder up with its stages."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from harness.errors import UserError
from harness.execution.provenance import run_provenance
from harness.execution.recording import Recorder, same_result
from harness.execution.states import StageStates, read_states_again
from harness.exhaustion import exhausted
from harness.plan.cell import PlannedCell
from harness.plan.plan import Plan
from harness.plan.stage import Stage
from harness.store.aside import set_aside
from harness.store.layout import Layout
from harness.store.lock import records_lock
from harness.store.record import CellRecord, find_records, read_record, write_record
from harness.store.summary import write_summary

_OPEN = ("waiting", "running")
_SUMMARY_SHARE = 0.02  # of a run's time that may go into summaries
_SUMMARY_SECONDS = 10.0
_HALF_WRITTEN_SECONDS = 3600.0  # by then its writer is gone


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
        self._provenance = run_provenance()
        self._lock = records_lock(layout)
        self._cells: dict[Stage, list[int]] = {}
        for number, cell in enumerate(plan.cells):
            for stage in cell.stages:
                self._cells.setdefault(stage, []).append(number)
        self._last_summary = 0.0
        self._summary_cost = 0.0
        self._exhausted = False

    def begin(self) -> None:
        """Writes a record for every cell that has none, and removes what killed runs have left half written."""
        for rest in self._layout.cells.glob("*/.record.json.*.tmp"):
            with suppress(FileNotFoundError):  # another process has finished writing it
                if time.time() - rest.stat().st_mtime > _HALF_WRITTEN_SECONDS:
                    rest.unlink()
        for cell in self._plan.cells:
            if not self._layout.record(cell.cell.name).exists():
                write_record(self._layout, self._record(cell, self._states), replace=False)
        self._summarize()

    def update(self, stage: Stage) -> None:
        """Writes the records of the cells of which this was the last open stage.

        Where there is no room for a record the run goes on: records can be made again from stages.
        """
        try:
            for number in self._cells.get(stage, ()):
                cell = self._plan.cells[number]
                if all(self._states[part] not in _OPEN for part in cell.stages):
                    self._write(cell)
            spent = time.monotonic() - self._last_summary
            if spent > max(_SUMMARY_SECONDS, self._summary_cost / _SUMMARY_SHARE):
                self._summarize()
        except OSError as error:
            if exhausted(error) != "disk_full":
                raise
            if not self._exhausted:
                self._noticed(f"records are not written: {error}")
            self._exhausted = True

    def write_all(self) -> list[CellRecord]:
        """Writes every record that says something new, and the summary; returns the records in the plan's order."""
        written = [self._write(cell) for cell in self._plan.cells]
        self._summarize()
        return written

    def _write(self, cell: PlannedCell) -> CellRecord:
        """Writes what the folder says of a cell now; others may know more of it than this process does.

        A record that says the same already is left as it is, with the command that made it.
        """
        with self._lock:
            record = self._record(cell, read_states_again(self._states, cell.stages, self._layout))
            path = self._layout.record(cell.cell.name)
            if not path.exists() or self._is_new(record):
                write_record(self._layout, record)
            return record

    def _record(self, cell: PlannedCell, states: StageStates) -> CellRecord:
        tasks = {self._plan.task.name: self._plan.task}
        recorder = Recorder(
            self._name, self._layout, states, tasks, self._plan.methods, self._provenance, self._plan.primaries
        )
        return recorder.record(cell)

    def _is_new(self, record: CellRecord) -> bool:
        path = self._layout.record(record.cell)
        try:
            return not same_result(read_record(path), record)
        except UserError as error:
            if set_aside(self._layout, path, error.message) is not None:
                self._noticed(f"set aside: {error.message}")
            return True

    def _summarize(self) -> None:
        if not self._plan.cells:
            return  # baselines alone have no rows, and the folder's name for its own is its own
        began = time.monotonic()
        with self._lock:
            write_summary(self._layout, self._name, find_records(self._layout).records)
        self._last_summary = time.monotonic()
        self._summary_cost = self._last_summary - began
