"""A training by several processes: starts them, hears them, and ends all as soon as one has failed.

They are workers of their own, told what to do in JSON; the worker of the stage does none of the training itself, so
that nothing which a lost process leaves hanging, such as a collective operation on GPUs, can keep it from noticing.
See `docs/design/parallel_training.md`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import BenchError
from harness.execution.local import Event, LocalExecutor
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage
from harness.plan.job import StageJob
from harness.plan.member import MemberJob
from harness.store.failure import Failure

WORKER_MODULE = "harness.execution.training_worker"

_WAIT = 1.0  # seconds
_SECOND_LOOK = 1.0  # seconds in which the end of a process is noticed that another one has heard of first

Progress = Callable[[int, int, str], None]


class TrainingProcessError(BenchError):
    """One of the processes of a training failed: its failure is that of the stage.

    Args:
        rank: Which process it is.
        failure: Why it failed.
    """

    def __init__(self, rank: int, failure: Failure) -> None:
        super().__init__(f"process {rank} of the training: {failure.message}", failure.hint)
        self.kind = failure.kind
        if failure.traceback:
            self.__cause__ = Exception(f"in process {rank}:\n{failure.traceback}")


def train_in_processes(
    job: StageJob, devices: Sequence[str], trained: Path, progress: Progress, module: str = WORKER_MODULE
) -> int | None:
    """Has processes do the stage's training, whose weights lie in `trained` then.

    Args:
        job: The stage.
        devices: The device of each process.
        trained: Where process 0 leaves the weights and the outcome.
        progress: Called with what process 0 tells.
        module: What a process runs.

    Returns:
        The largest resident size of one of them in bytes, `None` where it is not known.

    Raises:
        TrainingProcessError: One of them failed, or was lost; the others are ended.
    """
    count = len(devices)
    executor = LocalExecutor(count, module)
    with tempfile.TemporaryDirectory(prefix="bench-training-") as folder:
        members = [
            MemberJob(
                stage=job.model_copy(update={"device": device, "threads": max(1, job.threads // count)}),
                rank=rank,
                processes=count,
                meeting=Path(folder) / "meeting",
                trained=trained,
            )
            for rank, device in enumerate(devices)
        ]
        try:
            for member in members:
                executor.submit(member)
            return _peak_of(members, executor, progress)
        finally:
            executor.close()


def _peak_of(members: Sequence[MemberJob], executor: LocalExecutor, progress: Progress) -> int | None:
    """Waits until all have done their share, and returns the largest resident size."""
    peaks: list[int] = []
    ranks = {member.identity: member.rank for member in members}
    at_work = set(ranks)
    while at_work:
        events = executor.wait(_WAIT)
        if any(isinstance(event.message, FailedMessage) for event in events):
            _fail(events, executor, ranks)
        for event in events:
            if isinstance(event.message, DoneMessage):
                at_work.discard(event.identity)
                peaks.append(event.message.peak_memory_bytes or 0)
            elif isinstance(event.message, ProgressMessage) and ranks[event.identity] == 0:
                progress(event.message.done, event.message.total, event.message.text)
    return max(peaks) or None


def _fail(events: list[Event], executor: LocalExecutor, ranks: dict[str, int]) -> None:
    """Raises the failure that the others come from.

    A process that fails says so while its connections are still open, so the first to say so is the one. Of a process
    that is killed, the others may hear before we do.
    """
    failed = [event for event in events if isinstance(event.message, FailedMessage)]
    until = time.monotonic() + _SECOND_LOOK
    while not any(event.lost for event in failed) and (left := until - time.monotonic()) > 0:
        failed += [event for event in executor.wait(left) if event.lost]
    first = next((event for event in failed if event.lost), failed[0])
    assert isinstance(first.message, FailedMessage)
    raise TrainingProcessError(ranks[first.identity], first.message.failure)
