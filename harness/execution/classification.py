"""From an exception to a typed failure with a hint."""

from __future__ import annotations

import re
import signal
import traceback

from harness.errors import BenchError
from harness.exhaustion import exhausted
from harness.store.failure import Failure, FailureKind

_OUTSIDE_SIGNALS = {signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT}

_LABEL_OUT_OF_RANGE = re.compile(r"Target -?\d+ is out of bounds")  # torch's cross-entropy, on a CPU
_LOST_LOADER = "DataLoader worker (pid"

_HINTS: dict[FailureKind, str] = {
    "oom": "Lower the batch size or --workers, then run again with --retry oom.",
    "nan_loss": "Lower the learning rate or switch AMP off, then run again with --retry nan_loss.",
    "trace_error": "Choose another model, or a method that is not structured pruning; the log says where it ended.",
    "unsupported_op": "Choose another model, or a method that does not need the operation.",
    "shape_mismatch": "Stored weights or indices are those of another model: run the stage that made them again.",
    "check_failed": "The model was not used; the stage's log has the details. Try another setting, or report it.",
    "timeout": "Raise --timeout, then run again with --retry timeout.",
    "plugin_error": "This is a defect of the plugin (or of bench): the traceback is in the stage's log.",
    "data_error": "Mend the data set (the stage's log says more), then run again with --retry data_error.",
    "config_error": "Mend what the message names; every run tries it again.",
    "disk_full": "Free some space (or raise the file-size limit), then run again with --retry disk_full.",
    "worker_lost": "See the stage's log; run again with --retry worker_lost.",
}


def failure_of(error: BaseException) -> Failure:
    """Returns the typed failure of an exception that ended a stage."""
    kind = _kind(error)
    hint = error.hint if isinstance(error, BenchError) and error.kind == kind else ""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Failure(kind=kind, message=_message(error), hint=hint or _HINTS[kind], traceback=text)


def lost_worker(exit_code: int, *, killed_for_memory: bool = False) -> Failure:
    """Returns the failure of a stage whose worker process ended under it.

    Args:
        exit_code: As `subprocess` tells it: negative for a signal.
        killed_for_memory: The kernel has ended some process for want of memory since the stage began.
    """
    if exit_code == -signal.SIGKILL and killed_for_memory:
        return Failure(
            kind="oom", message="the kernel killed the worker: the machine's memory was full", hint=_HINTS["oom"]
        )
    if exit_code >= 0:
        how = f"ended with exit code {exit_code}"
    else:
        how = f"was {'ended from outside' if ended_from_outside(exit_code) else 'killed'} by {_signal_name(-exit_code)}"
    return Failure(kind="worker_lost", message=f"the worker {how}", hint=_HINTS["worker_lost"])


def ended_from_outside(exit_code: int) -> bool:
    """Returns whether a process was ended by a signal that others send, not by one that its own fault brings."""
    return -exit_code in _OUTSIDE_SIGNALS


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def timed_out(seconds: float) -> Failure:
    """Returns the failure of a stage that was ended because it took too long."""
    message = f"the stage had not ended after {seconds:g} s"
    return Failure(kind="timeout", message=message, hint=_HINTS["timeout"])


def _kind(error: BaseException) -> FailureKind:
    """What ran out is the cause, whatever a plugin has made of it; what is raised on purpose comes next."""
    if (exhaustion := exhausted(error)) is not None:
        return exhaustion
    if isinstance(error, BenchError):
        return error.kind
    if isinstance(error, IndexError) and _LABEL_OUT_OF_RANGE.match(str(error)):
        return "data_error"
    if isinstance(error, RuntimeError) and str(error).startswith(_LOST_LOADER):
        return "worker_lost"
    return "plugin_error"


def _message(error: BaseException) -> str:
    if isinstance(error, BenchError):
        return error.message
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
