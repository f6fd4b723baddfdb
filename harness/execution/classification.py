"""From an exception to a typed failure with a hint."""

from __future__ import annotations

import errno
import traceback

from harness.errors import BenchError
from harness.store.failure import Failure, FailureKind

_DISK_ERRORS = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}
_DISK_TEXTS = ("No space left on device", "File too large", "Disk quota exceeded")
_OUT_OF_MEMORY_TEXTS = ("can't allocate memory", "CUDA out of memory", "not enough memory")

_HINTS: dict[FailureKind, str] = {
    "oom": "Lower the batch size or --workers, then run again with --retry oom.",
    "disk_full": "Free some space (or raise the file-size limit), then run again with --retry disk_full.",
    "worker_lost": "See the stage's log; run again with --retry worker_lost.",
    "plugin_error": "This is a defect of the plugin (or of bench): the traceback is in the stage's log.",
}


def failure_of(error: BaseException) -> Failure:
    """Returns the typed failure of an exception that ended a stage."""
    kind = _kind(error)
    hint = error.hint if isinstance(error, BenchError) else ""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Failure(kind=kind, message=_message(error), hint=hint or _HINTS.get(kind, ""), traceback=text)


def lost_worker(exit_code: int) -> Failure:
    """Returns the failure of a stage whose worker process ended under it."""
    how = f"was killed by signal {-exit_code}" if exit_code < 0 else f"ended with exit code {exit_code}"
    return Failure(kind="worker_lost", message=f"the worker {how}", hint=_HINTS["worker_lost"])


def timed_out(seconds: float) -> Failure:
    """Returns the failure of a stage that was ended because it took too long."""
    message = f"the stage had not ended after {seconds:g} s"
    return Failure(kind="timeout", message=message, hint="Raise --timeout, then run again with --retry timeout.")


def _kind(error: BaseException) -> FailureKind:
    if isinstance(error, BenchError):
        return error.kind  # type: ignore[return-value]  # every subclass names one of the kinds; tested
    if isinstance(error, MemoryError) or _is_torch_out_of_memory(error):
        return "oom"
    if _is_disk_full(error):
        return "disk_full"
    return "plugin_error"


def _is_disk_full(error: BaseException) -> bool:
    """Safetensors wraps the system's error into text; others chain it."""
    if isinstance(error, OSError):
        return error.errno in _DISK_ERRORS
    if type(error).__name__ == "SafetensorError" and any(text in str(error) for text in _DISK_TEXTS):
        return True
    return error.__cause__ is not None and _is_disk_full(error.__cause__)


def _is_torch_out_of_memory(error: BaseException) -> bool:
    """Torch raises a plain RuntimeError on CPU and its own class on GPU; both are told by name, without torch."""
    if type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(text in str(error) for text in _OUT_OF_MEMORY_TEXTS)


def _message(error: BaseException) -> str:
    if isinstance(error, BenchError):
        return error.message
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
