"""The worker process: reads jobs from its standard input, one JSON line each, and runs them one after another.

It keeps torch and OpenMMLab loaded between stages. Messages go out on a descriptor of their own, so that whatever a
stage prints ends in the stage's log and cannot disturb them. It ends when its standard input does, also in the middle
of a stage: a worker never outlives its scheduler. See `docs/design/execution.md`.
"""

from __future__ import annotations

import logging
import os
import queue
import resource
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, TextIO

from filelock import Timeout

from harness.errors import WorkerLostError
from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage
from harness.execution.provenance import checkout
from harness.plan.job import StageJob
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import is_owned, worker_lock
from harness.store.stage import CONTINUED_KINDS, StageFile, open_work, publish_failure, publish_stage, read_stage

_PROGRESS_INTERVAL = 0.1


class Engine(Protocol):
    """What carries out stages; everything heavy is behind it."""

    def use_threads(self, count: int) -> None:
        """Sets the number of threads of the next stage."""

    def run(self, job: StageJob, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
        """Runs a stage in `job.work` and returns its figures."""

    def environment(self) -> dict[str, Any]:
        """Returns versions, hardware and threads as plain JSON."""


class TorchEngine:
    """`harness.engine`, imported with the first stage."""

    def use_threads(self, count: int) -> None:
        """See `Engine.use_threads`."""
        from harness.engine.environment import use_threads

        use_threads(count)

    def run(self, job: StageJob, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
        """See `Engine.run`."""
        from harness.engine.stages import run_stage

        return run_stage(job, progress)

    def environment(self) -> dict[str, Any]:
        """See `Engine.environment`."""
        from harness.engine.environment import describe_environment

        return describe_environment()


def main(engine: Engine) -> None:
    """Runs jobs until the standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the scheduler's; it ends its workers itself
    _watch_the_scheduler(int(sys.argv[1]))
    checkout()  # as it is before anything of it is imported for a stage; it is looked at once
    channel = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    jobs: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    while True:
        message = _run(StageJob.model_validate_json(jobs.get()), engine, _Reporter(channel))
        channel.write(message.model_dump_json() + "\n")


def _watch_the_scheduler(channel: int) -> None:
    """Starts a process that ends the worker's whole group with the scheduler.

    A thread could not do it while a stage keeps Python's other threads from running, and a signal at the death of the
    parent would leave behind what the stage has started. Called before there is any thread.
    """
    if os.fork() != 0:
        return
    os.close(channel)  # or the end of the worker would not be the end of its channel
    poll = select.poll()
    poll.register(sys.stdin.fileno(), 0)  # the hang-up only; jobs are not for this process
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def _read_jobs(jobs: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        jobs.put(line)
    # The scheduler is gone. What the stage has started is in our group and goes with us.
    os.killpg(os.getpgid(0), signal.SIGKILL)


def _run(job: StageJob, engine: Engine, report: _Reporter) -> DoneMessage | FailedMessage:
    layout, kind = Layout(job.root), job.fields.kind
    with _worker_lock(layout, job, report):
        if read_stage(layout, kind, job.identity) is not None:
            return DoneMessage()  # the worker of a killed scheduler was about to publish
        try:
            open_work(layout, kind, job.identity, keep=kind in CONTINUED_KINDS)
            with _log_to(job.work / "stage.log"):
                stage = _timed(job, engine, report)
            _require_owned(layout, job)
            _publish(layout, job, stage)
        except BaseException as error:  # whatever a plugin raises fails its stage and nothing else
            return FailedMessage(failure=_published(layout, job, failure_of(error)))
    return DoneMessage()


@contextmanager
def _worker_lock(layout: Layout, job: StageJob, report: _Reporter) -> Iterator[None]:
    """Waits until the worker of a killed scheduler, which has the same files in hand, has ended."""
    lock = worker_lock(layout, job.fields.kind, job.identity)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        report(0, 1, "waits for the worker of a killed run to end")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _require_owned(layout: Layout, job: StageJob) -> None:
    """Two machines may believe that they own a stage after one of them was cut off; the lease says which does.

    Raises:
        WorkerLostError: It is the other one.
    """
    if job.owner and not is_owned(layout, job.fields.kind, job.identity, job.owner):
        message = "another process on the results folder has taken the stage over"
        raise WorkerLostError(message)


def _publish(layout: Layout, job: StageJob, stage: StageFile) -> None:
    """Somebody on another machine may have taken the stage over and been faster; then theirs counts."""
    try:
        publish_stage(layout, job.work, stage)
    except FileExistsError:
        if read_stage(layout, stage.kind, stage.identity) is None:
            raise


def _published(layout: Layout, job: StageJob, failure: Failure) -> Failure:
    """A failure is reported also where it cannot be stored, on a full disk, or is not ours to store."""
    if job.owner and not is_owned(layout, job.fields.kind, job.identity, job.owner):
        return failure
    try:
        return publish_failure(layout, job.work, job.fields.kind, job.identity, job.label, failure)
    except OSError:
        return failure


def _timed(job: StageJob, engine: Engine, report: _Reporter) -> StageFile:
    engine.use_threads(job.threads)
    started = datetime.now(timezone.utc)
    wall, cpu = time.perf_counter(), _cpu_seconds()
    with _peak_memory() as peak:
        result = engine.run(job, report)
    return StageFile(
        kind=job.fields.kind,
        identity=job.identity,
        fields=job.fields.model_dump(mode="json"),
        label=job.label,
        subject=job.subject,
        result=result,
        started=started.isoformat(timespec="seconds"),
        seconds=time.perf_counter() - wall + result.get("earlier_seconds", 0.0),
        cpu_seconds=_cpu_seconds() - cpu,
        peak_memory_bytes=peak[0],
        environment={**engine.environment(), "bench": version("compression-bench"), "checkout": checkout()},
    )


class _Reporter:
    """Sends progress, at most every tenth of a second, and the last of a stage always."""

    def __init__(self, channel: TextIO) -> None:
        self._channel = channel
        self._last = 0.0

    def __call__(self, done: int, total: int, text: str) -> None:
        now = time.monotonic()
        if done < total and now - self._last < _PROGRESS_INTERVAL:
            return
        self._last = now
        self._channel.write(ProgressMessage(done=done, total=total, text=text).model_dump_json() + "\n")


def _cpu_seconds() -> float:
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(part.ru_utime + part.ru_stime for part in usage)


@contextmanager
def _peak_memory() -> Iterator[list[int | None]]:
    """Yields a list whose only item is, behind the block, the largest resident size within it, in bytes.

    Linux lets a process reset its own high-water mark; elsewhere the figure is unknown, not wrong.
    """
    peak: list[int | None] = [None]
    clear, status = Path("/proc/self/clear_refs"), Path("/proc/self/status")
    try:
        clear.write_text("5")
        known = True
    except OSError:  # not Linux, or a container that forbids it
        known = False
    yield peak
    if not known:
        return
    for line in status.read_text().splitlines():
        if line.startswith("VmHWM:"):
            peak[0] = int(line.split()[1]) * 1024


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    """Sends everything that is printed or logged inside the block, also by C code, to a file."""
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    sys.stdout.flush()
    sys.stderr.flush()
    with path.open("a", encoding="utf-8", buffering=1) as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
        logging.basicConfig(
            level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(name)s %(message)s", force=True
        )
        try:
            yield
        except BaseException:
            logging.getLogger("harness.stage").exception("the stage failed")
            raise
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


if __name__ == "__main__":
    main(TorchEngine())
