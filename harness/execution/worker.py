"""The worker process of stages: reads jobs, one JSON line each, and runs them one after another.

It keeps torch and OpenMMLab loaded between stages. See `harness.execution.process`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

from filelock import Timeout

from harness.errors import WorkerLostError
from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.process import Reporter, cpu_seconds, log_to, peak_memory, serve
from harness.execution.provenance import checkout
from harness.execution.training_processes import train_in_processes
from harness.plan.job import StageJob
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import is_owned, worker_lock
from harness.store.stage import CONTINUED_KINDS, StageFile, open_work, publish_failure, publish_stage, read_stage

_PROCESS_PEAK = "process_peak_bytes"
"""Among a stage's figures: the largest resident size of the processes that did its training, if several did."""


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

        peaks: list[int | None] = []

        def launch(devices: Sequence[str], trained: Path) -> None:
            peaks.append(train_in_processes(job, devices, trained, progress))

        result = run_stage(job, progress, launch)
        return {**result, _PROCESS_PEAK: peaks[0]} if peaks else result

    def environment(self) -> dict[str, Any]:
        """See `Engine.environment`."""
        from harness.engine.environment import describe_environment

        return describe_environment()


def main(engine: Engine) -> None:
    """Runs jobs until the standard input ends."""

    def answer(line: str, report: Reporter) -> DoneMessage | FailedMessage:
        return _run(StageJob.model_validate_json(line), engine, report)

    # The checkout as it is before anything of it is imported for a stage; it is looked at once.
    serve(answer, begin=checkout)


def _run(job: StageJob, engine: Engine, report: Reporter) -> DoneMessage | FailedMessage:
    layout, kind = Layout(job.root), job.fields.kind
    with _worker_lock(layout, job, report):
        if read_stage(layout, kind, job.identity) is not None:
            return DoneMessage()  # the worker of a killed scheduler was about to publish
        try:
            open_work(layout, kind, job.identity, keep=kind in CONTINUED_KINDS)
            with log_to(job.work / "stage.log"):
                stage = _timed(job, engine, report)
            _require_owned(layout, job)
            _publish(layout, job, stage)
        except BaseException as error:  # whatever a plugin raises fails its stage and nothing else
            return FailedMessage(failure=_published(layout, job, failure_of(error)))
    return DoneMessage()


@contextmanager
def _worker_lock(layout: Layout, job: StageJob, report: Reporter) -> Iterator[None]:
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


def _timed(job: StageJob, engine: Engine, report: Reporter) -> StageFile:
    engine.use_threads(job.threads)
    started = datetime.now(timezone.utc)
    wall, cpu = time.perf_counter(), cpu_seconds()
    with peak_memory() as peak:
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
        cpu_seconds=cpu_seconds() - cpu,
        peak_memory_bytes=max(peak[0] or 0, result.get(_PROCESS_PEAK) or 0) or None,
        environment={**engine.environment(), "bench": version("compression-bench"), "checkout": checkout()},
    )


if __name__ == "__main__":
    main(TorchEngine())
