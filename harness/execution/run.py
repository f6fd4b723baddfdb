"""A run: a plan carried out on a results folder, with records and summary at its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

import yaml
from rich.console import Console

from harness.errors import UserError
from harness.execution.display import RunDisplay
from harness.execution.estimate import Estimator
from harness.execution.local import LocalExecutor
from harness.execution.provenance import run_provenance
from harness.execution.recording import Recorder, same_result
from harness.execution.scheduler import JobSettings, Scheduler
from harness.execution.states import RetryRule, StageStates, never_retry, read_states
from harness.plan.cell import PlannedCell
from harness.plan.hardware import available_cores
from harness.plan.plan import Plan
from harness.plan.stage import Stage
from harness.store.atomic import write_text
from harness.store.layout import Layout
from harness.store.record import CellRecord, read_record, read_records, write_record
from harness.store.summary import write_summary


@dataclass(frozen=True)
class RunSettings:
    """How a plan is carried out; none of it changes an outcome.

    Attributes:
        workers: Stages at once.
        device: `auto`, `cpu`, `cuda`, ...
        disabled: Plugins that the user has switched off.
        skip_existing: Whether complete stages are kept.
        retry: Which failed stages are tried again.
        timeout: Seconds that a stage may take; `None` for as long as it likes.
        fail_fast: Start nothing more once a stage has failed.
    """

    workers: int = 1
    device: str = "auto"
    disabled: tuple[str, ...] = ()
    skip_existing: bool = True
    retry: RetryRule = never_retry
    timeout: float | None = None
    fail_fast: bool = False


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        records: The records of the benchmark's cells, in the plan's order.
        executed: Stages that this run carried out.
        interrupted: The user stopped it.
    """

    records: list[CellRecord]
    executed: list[Stage] = field(default_factory=list)
    interrupted: bool = False

    @property
    def failed(self) -> list[CellRecord]:
        """Cells that are failed or blocked, old failures included."""
        return [record for record in self.records if record.status in ("failed", "blocked")]


def carry_out(plan: Plan, layout: Layout, settings: RunSettings, console: Console) -> RunOutcome:
    """Runs every stage of the plan that is not complete, and writes records and summary.

    Raises:
        UserError: The results folder cannot be written.
    """
    _open_folder(plan, layout)
    states = read_states(plan.stages, layout, retry=settings.retry, skip_existing=settings.skip_existing)
    records = _Records(plan, layout, states)
    outcome = RunOutcome(records=[])
    if states.count("waiting"):
        try:
            with _terminable():
                _schedule(plan, layout, settings, console, states, records, outcome)
        except KeyboardInterrupt:
            outcome.interrupted = True
    outcome.records = records.write_all()
    return outcome


def _schedule(
    plan: Plan,
    layout: Layout,
    settings: RunSettings,
    console: Console,
    states: StageStates,
    records: _Records,
    outcome: RunOutcome,
) -> None:
    def settled(stage: Stage) -> None:
        outcome.executed.append(stage)
        records.update(stage)

    estimator = Estimator()
    estimator.learn_from((stage for stage in plan.stages if states[stage] == "complete"), layout)
    workers = max(1, settings.workers)
    with RunDisplay(console, states, estimator, workers) as display:
        Scheduler(
            states,
            layout,
            LocalExecutor(workers),
            display,
            JobSettings(
                settings.device, _threads(plan, workers), settings.disabled, settings.timeout, settings.fail_fast
            ),
            settled,
            measure_last=workers > 1,
            redo=not settings.skip_existing,
        ).run()


class _Records:
    """Writes a cell's record as soon as all its stages are settled, and all of them at the end."""

    def __init__(self, plan: Plan, layout: Layout, states: StageStates) -> None:
        self._plan = plan
        self._layout = layout
        self._states = states
        name = plan.benchmark.name or layout.root.name
        tasks = {plan.task.name: plan.task}
        self._recorder = Recorder(name, layout, states, tasks, plan.methods, run_provenance())
        self._name = name

    def update(self, stage: Stage) -> None:
        for cell in self._plan.cells:
            if stage in cell.stages and self._settled(cell):
                self._write(cell)

    def write_all(self) -> list[CellRecord]:
        written = [self._write(cell) for cell in self._plan.cells]
        write_summary(self._layout, self._name, read_records(self._layout))
        return written

    def _write(self, cell: PlannedCell) -> CellRecord:
        """A record that says the same already is left as it is, with the command that made it."""
        record = self._recorder.record(cell)
        path = self._layout.record(cell.cell.name)
        try:
            unchanged = same_result(read_record(path), record)
        except UserError:  # none yet, or an unreadable one, which is written anew
            unchanged = False
        if not unchanged:
            write_record(self._layout, record)
        return record

    def _settled(self, cell: PlannedCell) -> bool:
        return all(self._states[stage] not in ("waiting", "running") for stage in cell.stages)


def _threads(plan: Plan, workers: int) -> int:
    """One worker has the machine for itself; several share its cores; a deterministic run always uses one thread."""
    if plan.benchmark.deterministic:
        return 1
    return max(1, available_cores() // workers)


def _open_folder(plan: Plan, layout: Layout) -> None:
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        stated = dict(plan.benchmark.written())
        write_text(layout.benchmark, yaml.safe_dump(stated, sort_keys=False, allow_unicode=True))
    except OSError as error:
        message = f"--out {layout.root}: cannot be written ({error.strerror or error})"
        raise UserError(message, "Name another folder, or make this one writable.") from error


@contextmanager
def _terminable() -> Iterator[None]:
    """Lets SIGTERM end a run as cleanly as Ctrl-C does."""

    def interrupt(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
