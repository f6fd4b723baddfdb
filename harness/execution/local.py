"""The local executor: worker processes on this machine.

Standard process pools do not fit: a pool worker may not have children (training needs loader processes), or one crash
breaks the whole pool. A worker here is a plain process in a group of its own, told what to do in JSON.
See `docs/design/execution.md`.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from harness.execution.classification import ended_from_outside, lost_worker
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage, parse_message

WORKER_MODULE = "harness.execution.worker"


class Job(Protocol):
    """What a worker is told to do."""

    @property
    def identity(self) -> str:
        """What tells it from other jobs."""

    def model_dump_json(self) -> str:
        """Returns it as one line of JSON."""


@dataclass(frozen=True)
class Event:
    """Something that happened to a job.

    Attributes:
        identity: That of the job.
        message: What the worker said.
        lost: The worker is gone and has said nothing of the job's end.
        transient: It was ended from outside, for no fault of the job.
    """

    identity: str
    message: ProgressMessage | DoneMessage | FailedMessage
    lost: bool = False
    transient: bool = False


class LocalExecutor:
    """Runs up to `workers` jobs at once, each in a process that is kept for the next job unless its job failed.

    After a failure nothing is known of the process's state (a GPU's context, a half-done import), so it is replaced.

    Args:
        workers: Number of processes; they are started when they are first needed.
        module: What a worker process runs.
    """

    def __init__(self, workers: int, module: str = WORKER_MODULE) -> None:
        self._limit = workers
        self._module = module
        self._workers: list[_Worker] = []
        self._selector = selectors.DefaultSelector()

    @property
    def running(self) -> int:
        """Jobs in flight."""
        return sum(worker.job is not None for worker in self._workers)

    @property
    def free(self) -> int:
        """Jobs that can be submitted now."""
        return self._limit - self.running

    def submit(self, job: Job) -> None:
        """Starts a job; there must be a free worker."""
        for dead in [worker for worker in self._workers if worker.job is None and not worker.alive]:
            self._bury(dead)  # it died between two jobs, which is no fault of the next one
        idle = [worker for worker in self._workers if worker.job is None]
        worker = idle[0] if idle else self._start()
        worker.submit(job)

    def wait(self, timeout: float) -> list[Event]:
        """Returns what has happened, at the latest after `timeout` seconds."""
        if not self._workers:
            time.sleep(timeout)
            return []
        events: list[Event] = []
        for key, _ in self._selector.select(timeout):
            worker: _Worker = key.data
            events.extend(worker.read())
            if worker.ended:
                events.extend(self._bury(worker))
            elif worker.failed:
                self._bury(worker)
        for worker in [worker for worker in self._workers if worker.job is not None and not worker.alive]:
            # Its end is not the end of its channel where a process that it has started keeps that open.
            events.extend(worker.read())
            events.extend(self._bury(worker))
        return events

    def cancel(self, identity: str) -> None:
        """Ends the worker of one job at once; nothing more is heard of it."""
        for worker in [
            worker for worker in self._workers if worker.job is not None and worker.job.identity == identity
        ]:
            self._bury(worker)

    def close(self) -> None:
        """Ends all workers at once, jobs in flight included."""
        for worker in list(self._workers):
            self._selector.unregister(worker.channel)
            worker.kill()
        self._workers.clear()
        self._selector.close()

    def _start(self) -> _Worker:
        worker = _Worker(self._module)
        self._selector.register(worker.channel, selectors.EVENT_READ, worker)
        self._workers.append(worker)
        return worker

    def _bury(self, worker: _Worker) -> list[Event]:
        self._selector.unregister(worker.channel)
        self._workers.remove(worker)
        exit_code = worker.kill()
        if worker.job is None:
            return []
        failure = lost_worker(exit_code, killed_for_memory=_memory_kills() > worker.memory_kills)
        transient = failure.kind == "worker_lost" and ended_from_outside(exit_code)
        return [Event(worker.job.identity, FailedMessage(failure=failure), lost=True, transient=transient)]


def _memory_kills() -> int:
    """Returns how many processes the kernel has ended for want of memory so far, 0 where it does not say."""
    try:
        lines = Path("/proc/vmstat").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


class _Worker:
    def __init__(self, module: str) -> None:
        self.channel, sender = os.pipe()
        os.set_blocking(self.channel, False)
        command = [sys.executable, "-m", module, str(sender)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, pass_fds=[sender], start_new_session=True, text=True
        )
        os.close(sender)
        self._rest = b""
        self.job: Job | None = None
        self.memory_kills = 0
        self.ended = False
        self.failed = False

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def submit(self, job: Job) -> None:
        self.job = job
        self.memory_kills = _memory_kills()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # a dead worker is noticed by the end of its channel
            self._process.stdin.write(job.model_dump_json() + "\n")
            self._process.stdin.flush()

    def read(self) -> list[Event]:
        events = []
        for line in self._lines():
            if self.job is None:
                continue
            message = parse_message(line)
            events.append(Event(self.job.identity, message))
            if not isinstance(message, ProgressMessage):
                self.job = None
                self.failed = isinstance(message, FailedMessage)
        return events

    def kill(self) -> int:
        """Ends the worker's whole process group and returns the worker's exit code."""
        if self._process.poll() is None and self.ended:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = self._process.wait()
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        os.close(self.channel)
        return code

    def _lines(self) -> list[bytes]:
        with suppress(BlockingIOError):  # nothing more for now
            while chunk := os.read(self.channel, 65536):
                self._rest += chunk
            self.ended = True
        *lines, self._rest = self._rest.split(b"\n")
        return lines
