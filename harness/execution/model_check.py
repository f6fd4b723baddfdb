"""Carries out `bench check`: each model in a process of its own, so that none harms another."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Iterator

from harness.execution.classification import failure_of
from harness.execution.local import LocalExecutor
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage
from harness.plan.model_check import ModelCheckJob
from harness.store.failure import Failure, FailureKind
from harness.store.model_check import ModelCheck, verdict_of

WORKER_MODULE = "harness.execution.model_check_worker"

LOG = "check.log"
"""What a worker prints and logs, in the job's folder."""

_HINTS: dict[FailureKind, str] = {
    "oom": "Check it on a machine with more memory, or for a data set with smaller images (--dataset).",
    "timeout": "Raise --timeout.",
    "worker_lost": "The process crashed, perhaps in a compiled operation: report it with the model's config.",
    "disk_full": "Free some space where temporary files go (TMPDIR).",
    "check_failed": "A compressed model is not what it should be, and no benchmark would use it: leave layers alone "
    "(--protect PATTERN), or report it with the model's config.",
    "plugin_error": "This is a defect of a plugin, of the model's code, or of bench; --json has the traceback.",
    "data_error": "Mend the data set, or name another one (--dataset).",
}
"""What to do about failures that say nothing of it themselves, or that hint at a run."""
_REPLACED = ("oom", "timeout", "worker_lost", "disk_full", "check_failed", "data_error")
_TAIL = 4000  # characters of a lost worker's log

Progress = Callable[[ModelCheckJob, ProgressMessage], None]


def check_failure(error: BaseException) -> Failure:
    """Returns the typed failure of an exception, with a hint that fits a check."""
    return _advised(failure_of(error), own_hint=bool(getattr(error, "hint", "")))


def check_models(
    jobs: Iterable[ModelCheckJob],
    timeout: float,
    progress: Progress,
    make_executor: Callable[[], LocalExecutor] = lambda: LocalExecutor(1, WORKER_MODULE),
) -> Iterator[ModelCheck]:
    """Yields the answer for each model, as soon as it is there.

    Args:
        jobs: What is checked, one after the other.
        timeout: Seconds that one model may take.
        progress: Called with what a worker tells.
        make_executor: Returns what runs one job.
    """
    for job in jobs:
        began = time.monotonic()
        job.work.mkdir(parents=True)
        executor = make_executor()
        try:
            executor.submit(job)
            answer = _awaited(job, executor, began + timeout, timeout, progress)
        finally:
            executor.close()
        yield answer.model_copy(update={"seconds": time.monotonic() - began})
        shutil.rmtree(job.work, ignore_errors=True)


def _awaited(
    job: ModelCheckJob, executor: LocalExecutor, until: float, timeout: float, progress: Progress
) -> ModelCheck:
    while True:
        left = until - time.monotonic()
        if left <= 0:
            message = f"the check had not ended after {timeout:g} s"
            return _failed(job, Failure(kind="timeout", message=message))
        for event in executor.wait(min(left, 1.0)):
            if isinstance(event.message, ProgressMessage):
                progress(job, event.message)
            elif isinstance(event.message, DoneMessage):
                return ModelCheck.model_validate_json(job.answer.read_bytes())
            elif isinstance(event.message, FailedMessage):
                return _failed(job, event.message.failure)


def _failed(job: ModelCheckJob, failure: Failure) -> ModelCheck:
    """Returns the answer of a worker that gave none."""
    log = job.work / LOG
    if not failure.traceback and log.exists():
        failure = failure.model_copy(update={"traceback": log.read_text(encoding="utf-8", errors="replace")[-_TAIL:]})
    failure = _advised(failure, own_hint=False)
    return ModelCheck(
        model=job.model, task=job.task, dataset=job.dataset, status="fails", verdict=verdict_of(failure, ()),
        built=False, failure=failure,
    )  # fmt: skip


def _advised(failure: Failure, *, own_hint: bool) -> Failure:
    if failure.kind in _HINTS and (failure.kind in _REPLACED or not own_hint):
        return failure.model_copy(update={"hint": _HINTS[failure.kind]})
    return failure
