"""The scheduler: starts what can be started until nothing is left."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.execution.classification import timed_out
from harness.execution.local import Event
from harness.execution.messages import FailedMessage, ProgressMessage
from harness.execution.states import StageStates
from harness.plan.job import StageJob
from harness.plan.stage import Stage
from harness.store.aside import set_aside
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock, is_owned, stage_owner
from harness.store.stage import (
    damaged_files,
    failure_stamp,
    find_failure,
    forget_failure,
    publish_failure,
    read_stage,
    set_aside_if_damaged,
)

_POLL_SECONDS = 0.2
_EXCLUSIVE = "measure"
_TRIES_AFTER_OUTSIDE_CAUSES = 3


class Executor(Protocol):
    """What the scheduler needs of an executor."""

    @property
    def running(self) -> int:
        """Jobs in flight."""

    @property
    def free(self) -> int:
        """Jobs that can be submitted now."""

    def submit(self, job: StageJob) -> None:
        """Starts a job."""

    def wait(self, timeout: float) -> list[Event]:
        """Returns what has happened, at the latest after `timeout` seconds."""

    def cancel(self, identity: str) -> None:
        """Ends one job at once; nothing more is heard of it."""

    def close(self) -> None:
        """Ends everything at once."""


class Display(Protocol):
    """What shows people how a run is going."""

    def started(self, stage: Stage) -> None:
        """A stage has been handed to a worker."""

    def progressed(self, stage: Stage, message: ProgressMessage) -> None:
        """A stage has told how far it is."""

    def finished(self, stage: Stage, states: StageStates) -> None:
        """A stage has become complete or failed."""

    def withdrawn(self, stage: Stage, reason: str) -> None:
        """A stage that was in flight will be tried again."""

    def noticed(self, text: str) -> None:
        """Something was found that people should know."""


@dataclass(frozen=True)
class JobSettings:
    """What is the same for all jobs of a run and in no identity.

    Attributes:
        device: `auto`, `cpu`, `cuda`, ...
        threads: Threads of a worker.
        disabled: Plugins that the user has switched off.
        timeout: Seconds that a stage may take; `None` for as long as it likes.
        fail_fast: Start nothing more once a stage has failed.
        trusted: Checkpoints that may be unpickled without restrictions.
        visualizers: Where the curves of trainings are written besides.
        loader_workers: Processes that read samples for each stage; 0 for its own.
    """

    device: str
    threads: int
    disabled: tuple[str, ...]
    timeout: float | None = None
    fail_fast: bool = False
    trusted: frozenset[Path] = frozenset()
    visualizers: tuple[str, ...] = ()
    loader_workers: int = 0


@dataclass(frozen=True)
class _Running:
    stage: Stage
    lock: StageLock
    started: float


class Scheduler:
    """Runs the waiting stages of a plan.

    Args:
        states: Where the stages stand; kept up to date.
        layout: The results folder.
        executor: Runs jobs.
        display: Is told what happens.
        settings: Device, threads, disabled plugins.
        settled: Called with every stage that has become complete or failed.
        measure_last: Measure when nothing else is left (several workers), not as soon as a cell is ready.
    """

    def __init__(
        self,
        states: StageStates,
        layout: Layout,
        executor: Executor,
        display: Display,
        settings: JobSettings,
        settled: Callable[[Stage], None],
        *,
        measure_last: bool,
    ) -> None:
        self._states = states
        self._layout = layout
        self._executor = executor
        self._display = display
        self._settings = settings
        self._settled = settled
        self._measure_last = measure_last
        self._running: dict[str, _Running] = {}
        self._locks: dict[str, StageLock] = {}  # of stages that others hold; see `StageLock`
        self._believed: set[str] = set()  # stages whose files were read, or made, by this run
        self._tries: Counter[str] = Counter()
        self._told: set[str] = set()
        self._stopping = False

    def run(self) -> None:
        """Returns when every stage is complete, failed or blocked, or at the first failure if it is to be fast.

        Raises:
            KeyboardInterrupt: The user has stopped the run; stages in flight are marked interrupted.
            OSError: The results folder cannot be written.
        """
        try:
            while self._running or (self._states.any_ready() and not self._stopping):
                if not self._stopping:
                    self._start_what_can_start()
                for event in self._executor.wait(_POLL_SECONDS):
                    self._handle(event)
                self._end_what_takes_too_long()
                self._leave_what_others_took()
        finally:
            self._executor.close()
            for running in self._running.values():
                self._states.set(running.stage, "interrupted")
                running.lock.release()

    def _start_what_can_start(self) -> None:
        for stage in self._startable():
            if self._stopping or self._executor.free == 0 or self._measuring():
                return
            if stage.kind == _EXCLUSIVE and self._executor.running:
                continue
            self._start(stage)

    def _startable(self) -> Iterable[Stage]:
        if not self._measure_last:
            return self._states.ready()
        if self._executor.running or any(stage.kind != _EXCLUSIVE for stage in self._states.ready()):
            return (stage for stage in self._states.ready() if stage.kind != _EXCLUSIVE)
        return self._states.ready()

    def _measuring(self) -> bool:
        return any(running.stage.kind == _EXCLUSIVE for running in self._running.values())

    def _start(self, stage: Stage) -> None:
        if not self._inputs_are_sound(stage):
            return
        lock = self._lock(stage)
        if not lock.acquire():
            self._tell_once_who_runs(stage)
            return  # looked at again in the next round
        del self._locks[stage.identity]
        if self._settled_elsewhere(stage):
            lock.release()
            return
        if damage := set_aside_if_damaged(self._layout, stage.kind, stage.identity):
            self._display.noticed(f"set aside: {damage}")
        forget_failure(self._layout, stage.kind, stage.identity)
        inputs = {role: self._layout.stage(source.kind, source.identity) for role, source in stage.inputs}
        job = StageJob(
            fields=stage.fields,
            identity=stage.identity,
            label=stage.label,
            subject=stage.subject,
            inputs=inputs,
            work=self._layout.work(stage.kind, stage.identity),
            root=self._layout.root,
            device=self._settings.device,
            threads=self._settings.threads,
            disabled=self._settings.disabled,
            checkpoint=stage.checkpoint,
            paths={role: dict(paths) for role, paths in stage.paths.items()},
            owner=lock.token,
            trusted=stage.foreign_weights in self._settings.trusted,
            visualizers=self._settings.visualizers,
            loader_workers=self._settings.loader_workers,
        )
        self._executor.submit(job)
        self._running[stage.identity] = _Running(stage, lock, time.monotonic())
        self._states.set(stage, "running")
        self._display.started(stage)

    def _tell_once_who_runs(self, stage: Stage) -> None:
        owner = stage_owner(self._layout, stage.kind, stage.identity)
        if owner is not None and not self._running and stage.identity not in self._told:
            self._told.add(stage.identity)
            self._display.noticed(f"waits for {stage.label} ({stage.subject}): {owner} runs it")

    def _lock(self, stage: Stage) -> StageLock:
        if stage.identity not in self._locks:
            self._locks[stage.identity] = StageLock(self._layout, stage.kind, stage.identity)
        return self._locks[stage.identity]

    def _inputs_are_sound(self, stage: Stage) -> bool:
        """Reads the files of earlier runs' stages once before anything starts from them.

        A damaged one is set aside and runs again; what was made from it while it was whole stays.
        """
        for _, source in stage.inputs:
            file = read_stage(self._layout, source.kind, source.identity)
            if file is not None and source.identity in self._believed:
                continue
            damage = damaged_files(self._layout, file) if file is not None else "it is not there any more"
            if not damage:
                self._believed.add(source.identity)
                continue
            self._withdraw_damaged(source, damage)
            return False
        return True

    def _withdraw_damaged(self, source: Stage, damage: str) -> None:
        lock = self._lock(source)
        if lock.acquire():
            file = read_stage(self._layout, source.kind, source.identity)
            if file is not None and damaged_files(self._layout, file):  # nobody has mended it meanwhile
                set_aside(self._layout, self._layout.stage(source.kind, source.identity), damage)
                self._display.noticed(f"set aside: {damage}")
            lock.release()
        self._states.set(source, "waiting")

    def _settled_elsewhere(self, stage: Stage) -> bool:
        """Another process on the same folder may have finished the stage since we looked."""
        if read_stage(self._layout, stage.kind, stage.identity) is not None:
            self._settle(stage, None)
            return True
        failure = find_failure(self._layout, stage.kind, stage.identity).file
        stamp = failure_stamp(self._layout, stage.kind, stage.identity)
        if failure is None or (stage in self._states.retried and stamp == self._states.retried[stage]):
            return False
        self._settle(stage, failure.failure)
        return True

    def _handle(self, event: Event) -> None:
        stage = self._running[event.identity].stage
        if isinstance(event.message, ProgressMessage):
            self._display.progressed(stage, event.message)
        elif not isinstance(event.message, FailedMessage):
            self._believed.add(stage.identity)
            self._end(stage, None)
        elif (taken := self._taken_away(stage)) is not None:
            self._withdraw(stage, taken)
        elif event.lost:
            self._lose(stage, event)
        else:
            self._end(stage, event.message.failure)

    def _taken_away(self, stage: Stage) -> str | None:
        """Returns why a failure is nothing that the stage did, if another process had a hand in it."""
        if not is_owned(self._layout, stage.kind, stage.identity, self._running[stage.identity].lock.token):
            return "another process on the results folder has taken it over"
        for _, source in stage.inputs:
            if read_stage(self._layout, source.kind, source.identity) is None:
                self._states.set(source, "waiting")
                return f"{source.label} was taken out of the folder by another process"
        return None

    def _withdraw(self, stage: Stage, reason: str) -> None:
        """Leaves a stage that is in flight to be tried again; nothing is known against it."""
        running = self._running.pop(stage.identity)
        if is_owned(self._layout, stage.kind, stage.identity, running.lock.token):
            forget_failure(self._layout, stage.kind, stage.identity)
        running.lock.release()
        self._states.set(stage, "waiting")
        self._display.withdrawn(stage, reason)

    def _lose(self, stage: Stage, event: Event) -> None:
        """The worker is gone. What it has published counts; a cause outside the stage gives it another try."""
        assert isinstance(event.message, FailedMessage)
        if read_stage(self._layout, stage.kind, stage.identity) is not None:
            self._end(stage, None)
            return
        stored = find_failure(self._layout, stage.kind, stage.identity).file
        if stored is not None:
            self._end(stage, stored.failure)
            return
        self._tries[stage.identity] += 1
        if event.transient and self._tries[stage.identity] < _TRIES_AFTER_OUTSIDE_CAUSES and not self._stopping:
            self._withdraw(stage, event.message.failure.message)
            return
        self._end(stage, self._store(stage, event.message.failure, transient=event.transient))

    def _end_what_takes_too_long(self) -> None:
        limit, now = self._settings.timeout, time.monotonic()
        if limit is None:
            return
        for running in [running for running in self._running.values() if now - running.started > limit]:
            self._executor.cancel(running.stage.identity)
            published = read_stage(self._layout, running.stage.kind, running.stage.identity) is not None
            self._end(running.stage, None if published else self._store(running.stage, timed_out(limit)))

    def _leave_what_others_took(self) -> None:
        """Our heartbeat did not reach the folder for so long that another machine holds the stage now."""
        for running in [running for running in self._running.values() if running.lock.lost]:
            self._executor.cancel(running.stage.identity)
            self._withdraw(running.stage, "another process on the results folder has taken it over")

    def _end(self, stage: Stage, failure: Failure | None) -> None:
        running = self._running.pop(stage.identity)
        if failure is None:
            shutil.rmtree(self._layout.work(stage.kind, stage.identity), ignore_errors=True)
        running.lock.release()
        self._settle(stage, failure)

    def _store(self, stage: Stage, failure: Failure, *, transient: bool = False) -> Failure:
        """Stores a failure on behalf of a worker that cannot do so any more."""
        work = self._layout.work(stage.kind, stage.identity)
        try:
            return publish_failure(
                self._layout, work, stage.kind, stage.identity, stage.label, failure, transient=transient
            )
        except OSError:  # a full disk, most likely; this run knows of the failure, the next one tries the stage again
            return failure

    def _settle(self, stage: Stage, failure: Failure | None) -> None:
        self._states.set(stage, "complete" if failure is None else "failed", failure)
        self._stopping |= self._settings.fail_fast and failure is not None
        self._display.finished(stage, self._states)
        self._settled(stage)
