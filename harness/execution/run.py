"""A run: a plan carried out on a results folder, with records and summary at its end."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import yaml
from rich.console import Console

from harness.errors import UserError
from harness.execution.display import RunDisplay
from harness.execution.estimate import taught_estimator
from harness.execution.forcing import remove_forced
from harness.execution.local import LocalExecutor
from harness.execution.provenance import run_provenance
from harness.execution.records import RecordKeeper
from harness.execution.scheduler import Executor, JobSettings, Scheduler
from harness.execution.standing import EarlierStages
from harness.execution.states import RetryRule, StageStates, read_states
from harness.exhaustion import exhausted
from harness.plan.goal import Goal, stages_towards
from harness.plan.hardware import available_cores
from harness.plan.plan import Plan
from harness.plan.stage import Stage
from harness.store.atomic import write_json, write_text
from harness.store.layout import Layout
from harness.store.record import CellRecord


@dataclass(frozen=True)
class RunSettings:
    """How a plan is carried out; none of it changes an outcome.

    Attributes:
        workers: Stages at once.
        device: `auto`, `cpu`, `cuda`, ...
        disabled: Plugins that the user has switched off.
        force: Which stages are run again although they are there, with what starts from them; `None` for none.
        retry: Which failed or interrupted stages are tried again.
        timeout: Seconds that a stage may take; `None` for as long as it likes.
        fail_fast: Start nothing more once a stage has failed.
        trusted: Checkpoints that may be unpickled without restrictions.
        visualizers: Where the curves of trainings are written besides.
        loader_workers: Processes that read samples for each stage; 0 for its own.
        goal: How far the plan is carried out; `None` for to its end.
    """

    workers: int = 1
    device: str = "auto"
    disabled: tuple[str, ...] = ()
    force: Callable[[Stage], bool] | None = None
    retry: RetryRule = field(default_factory=RetryRule)
    timeout: float | None = None
    fail_fast: bool = False
    trusted: frozenset[Path] = frozenset()
    visualizers: tuple[str, ...] = ()
    loader_workers: int = 0
    goal: Goal | None = None


@dataclass
class RunOutcome:
    """How a run ended.

    Attributes:
        records: The records of the benchmark's cells, in the plan's order.
        executed: Stages that were settled while it ran, by it or by another process on the folder.
        interrupted: The user stopped it.
        states: Where the plan's stages stood at its end.
    """

    records: list[CellRecord]
    executed: list[Stage] = field(default_factory=list)
    interrupted: bool = False
    states: StageStates = field(default_factory=lambda: StageStates(()))

    @property
    def failed(self) -> list[CellRecord]:
        """Cells that are failed or blocked, old failures included."""
        return [record for record in self.records if record.status in ("failed", "blocked")]


def carry_out(
    plan: Plan,
    layout: Layout,
    settings: RunSettings,
    console: Console,
    make_executor: Callable[[int], Executor] = LocalExecutor,
) -> RunOutcome:
    """Runs every stage of the plan, up to the goal, that is not complete, and writes records and summary.

    Args:
        plan: What is run.
        layout: The results folder.
        settings: How.
        console: What people see.
        make_executor: Returns what runs so many jobs at once.

    Raises:
        UserError: The results folder cannot be written.
    """
    _open_folder(plan, layout, settings)
    try:
        return _carry_out(plan, layout, settings, console, make_executor)
    except OSError as error:
        raise _stopped_by(error, layout) from error


def _stopped_by(error: OSError, layout: Layout) -> UserError:
    """The folder's file system, or the machine: processes, memory, open files."""
    kept = "then run the same command again: what is complete is kept."
    path = Path(str(error.filename)) if error.filename else None
    if exhausted(error) == "disk_full" or error.errno == errno.EROFS:
        return UserError(f"{layout.root}: cannot be written any more ({error.strerror})", f"Make room, {kept}")
    if path is not None and layout.root.absolute() in (path.absolute(), *path.absolute().parents):
        return UserError(f"{path}: cannot be used ({error.strerror})", f"Look what has become of it, {kept}")
    return UserError(f"the run cannot go on: {error}", f"Mend that, {kept}")


def _carry_out(
    plan: Plan, layout: Layout, settings: RunSettings, console: Console, make_executor: Callable[[int], Executor]
) -> RunOutcome:
    wanted = stages_towards(settings.goal, plan.stages) if settings.goal is not None else plan.stages
    if settings.force is not None:
        remove_forced(plan.stages, layout, _only(frozenset(wanted), settings.force))
    states = read_states(plan.stages, layout, retry=settings.retry)
    states.leave_out(frozenset(plan.stages).difference(wanted))
    outcome = RunOutcome(records=[], states=states)
    workers = max(1, settings.workers)
    earlier = EarlierStages(layout, frozenset(stage.identity for stage in states.stages))
    estimator = taught_estimator(states, earlier)
    with _terminable(), RunDisplay(console, states, estimator, workers) as display:
        records = RecordKeeper(plan, layout, states, display.noticed)

        def settled(stage: Stage) -> None:
            outcome.executed.append(stage)
            records.update(stage)

        try:
            records.begin()
            if states.any_ready():
                Scheduler(
                    states,
                    layout,
                    make_executor(workers),
                    display,
                    JobSettings(
                        device=settings.device,
                        threads=_threads(plan, workers),
                        disabled=settings.disabled,
                        timeout=settings.timeout,
                        fail_fast=settings.fail_fast,
                        trusted=settings.trusted,
                        visualizers=settings.visualizers,
                        loader_workers=settings.loader_workers,
                    ),
                    settled,
                    measure_last=workers > 1,
                ).run()
        except KeyboardInterrupt:
            outcome.interrupted = True
        outcome.records = records.write_all()
    return outcome


def _only(wanted: frozenset[Stage], force: Callable[[Stage], bool]) -> Callable[[Stage], bool]:
    """What this run does not come to is not forced, but goes with what it starts from."""
    return lambda stage: stage in wanted and force(stage)


def _threads(plan: Plan, workers: int) -> int:
    """One worker has the machine for itself; several share its cores; a deterministic run always uses one thread."""
    if plan.benchmark.deterministic:
        return 1
    return max(1, available_cores() // workers)


def _open_folder(plan: Plan, layout: Layout, settings: RunSettings) -> None:
    try:
        layout.root.mkdir(parents=True, exist_ok=True)
        if not plan.cells and layout.benchmark.exists():
            return  # baselines alone change nothing about the grid that the folder is for
        how = {
            "schema_version": 1,
            "device": settings.device,
            "disabled": list(settings.disabled),
            "limit": len(plan.cells) if len(plan.cells) < len(plan.asked) else None,
            "command": run_provenance()["command"],
        }
        write_json(layout.run, how)
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
