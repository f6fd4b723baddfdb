"""The scheduler: starts what can be started until nothing is left."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harness.execution.classification import timed_out
from harness.execution.local import Event
from harness.execution.messages import FailedMessage, ProgressMessage
from harness.execution.states import StageStates
from harness.plan.job import StageJob
from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import (
    StageFile,
    failure_stamp,
    forget_failure,
    open_work,
    publish_failure,
    read_failure,
    read_stage,
)

_POLL_SECONDS = 0.2
_EXCLUSIVE = "measure"
_CONTINUED = ("train", "recover")


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


@dataclass(frozen=True)
class JobSettings:
    """What is the same for all jobs of a run and in no identity.

    Attributes:
        device: `auto`, `cpu`, `cuda`, ...
        threads: Threads of a worker.
        disabled: Plugins that the user has switched off.
        timeout: Seconds that a stage may take; `None` for as long as it likes.
        fail_fast: Start nothing more once a stage has failed.
    """

    device: str
    threads: int
    disabled: tuple[str, ...]
    timeout: float | None = None
    fail_fast: bool = False


@dataclass(frozen=True)
class _Running:
    stage: Stage
    lock: StageLock
    started: float
    before: StageFile | None  # complete already, and run again on purpose


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
        redo: Run stages again that another process on the folder has completed.
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
        redo: bool = False,
    ) -> None:
        self._states = states
        self._layout = layout
        self._executor = executor
        self._display = display
        self._settings = settings
        self._settled = settled
        self._measure_last = measure_last
        self._redo = redo
        self._running: dict[str, _Running] = {}
        self._stopping = False

    def run(self) -> None:
        """Returns when every stage is complete, failed or blocked, or at the first failure if it is to be fast.

        Raises:
            KeyboardInterrupt: The user has stopped the run; stages in flight are marked interrupted.
        """
        try:
            while self._running or (self._states.count("waiting") and not self._stopping):
                if not self._stopping:
                    self._start_what_can_start()
                for event in self._executor.wait(_POLL_SECONDS):
                    self._handle(event)
                self._end_what_takes_too_long()
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

    def _startable(self) -> Sequence[Stage]:
        ready = self._states.ready()
        if not self._measure_last:
            return ready
        work = [stage for stage in ready if stage.kind != _EXCLUSIVE]
        return work or ([] if self._executor.running else ready)

    def _measuring(self) -> bool:
        return any(running.stage.kind == _EXCLUSIVE for running in self._running.values())

    def _start(self, stage: Stage) -> None:
        lock = StageLock(self._layout, stage.kind, stage.identity)
        if not lock.acquire():
            return  # another process runs it; looked at again in the next round
        if not self._redo and self._settled_elsewhere(stage):
            lock.release()
            return
        forget_failure(self._layout, stage.kind, stage.identity)
        before = read_stage(self._layout, stage.kind, stage.identity)
        continued = stage.kind in _CONTINUED and not self._redo
        work = open_work(self._layout, stage.kind, stage.identity, keep=continued)
        inputs = {role: self._layout.stage(source.kind, source.identity) for role, source in stage.inputs}
        job = StageJob(
            fields=stage.fields,
            identity=stage.identity,
            label=stage.label,
            inputs=inputs,
            work=work,
            root=self._layout.root,
            device=self._settings.device,
            threads=self._settings.threads,
            disabled=self._settings.disabled,
        )
        self._executor.submit(job)
        self._running[stage.identity] = _Running(stage, lock, time.monotonic(), before)
        self._states.set(stage, "running")
        self._display.started(stage)

    def _settled_elsewhere(self, stage: Stage) -> bool:
        """Another process on the same folder may have finished the stage since we looked."""
        if read_stage(self._layout, stage.kind, stage.identity) is not None:
            self._settle(stage, None)
            return True
        failure = read_failure(self._layout, stage.kind, stage.identity)
        stamp = failure_stamp(self._layout, stage.kind, stage.identity)
        if failure is None or (stage in self._states.retried and stamp == self._states.retried[stage]):
            return False
        self._settle(stage, failure)
        return True

    def _handle(self, event: Event) -> None:
        stage = self._running[event.identity].stage
        if isinstance(event.message, ProgressMessage):
            self._display.progressed(stage, event.message)
            return
        failure = self._failure(stage, event.message, event.lost) if isinstance(event.message, FailedMessage) else None
        self._end(stage, failure)

    def _end_what_takes_too_long(self) -> None:
        limit, now = self._settings.timeout, time.monotonic()
        if limit is None:
            return
        for running in [running for running in self._running.values() if now - running.started > limit]:
            self._executor.cancel(running.stage.identity)
            message = FailedMessage(failure=timed_out(limit))
            self._end(running.stage, self._failure(running.stage, message, lost=True))

    def _end(self, stage: Stage, failure: Failure | None) -> None:
        running = self._running.pop(stage.identity)
        shutil.rmtree(self._layout.work(stage.kind, stage.identity), ignore_errors=True)
        running.lock.release()
        self._settle(stage, failure)

    def _failure(self, stage: Stage, message: FailedMessage, lost: bool) -> Failure | None:
        """Returns the failure with the place of its log, stored on the worker's behalf if it could not do so."""
        found = read_stage(self._layout, stage.kind, stage.identity)
        if lost and found is not None and found != self._running[stage.identity].before:
            return None  # it was published before the worker died
        stored = read_failure(self._layout, stage.kind, stage.identity)
        if stored is not None:
            return stored
        work = self._layout.work(stage.kind, stage.identity)
        try:
            return publish_failure(self._layout, work, stage.kind, stage.identity, stage.label, message.failure)
        except OSError:  # a full disk, most likely; the run goes on and its records say what is known
            return message.failure

    def _settle(self, stage: Stage, failure: Failure | None) -> None:
        self._states.set(stage, "complete" if failure is None else "failed", failure)
        self._stopping |= self._settings.fail_fast and failure is not None
        self._display.finished(stage, self._states)
        self._settled(stage)
