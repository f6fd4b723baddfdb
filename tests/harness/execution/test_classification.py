import errno
import inspect
from typing import get_args

import pytest

from harness import errors
from harness.execution.classification import ended_from_outside, failure_of, lost_worker
from harness.store.failure import FailureKind


def raised(error):
    try:
        raise error
    except BaseException as caught:
        return caught


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (MemoryError(), "oom"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
            "oom",
        ),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EFBIG, "File too large"), "disk_full"),
        (type("SafetensorError", (Exception,), {})("Error: No space left on device (os error 28)"), "disk_full"),
        (OSError(errno.EACCES, "denied"), "plugin_error"),
        (ValueError("x"), "plugin_error"),
        (SystemExit(3), "plugin_error"),
        (errors.NonFiniteLossError("nan"), "nan_loss"),
        (errors.TraceError("x"), "trace_error"),
        (errors.UnsupportedOperationError("x"), "unsupported_op"),
        (errors.ShapeMismatchError("x"), "shape_mismatch"),
        (errors.CheckFailedError("x"), "check_failed"),
        (errors.DataError("x"), "data_error"),
        (errors.UserError("x"), "config_error"),
    ],
)
def test_kinds(error, kind):
    assert failure_of(raised(error)).kind == kind


def test_every_deliberate_error_names_a_kind_that_records_know():
    kinds = get_args(FailureKind)
    classes = [
        value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, errors.BenchError)
    ]
    assert len(classes) > 5
    assert all(error.kind in kinds for error in classes)


def test_message_hint_and_traceback():
    failure = failure_of(raised(errors.DataError("no images in x", "put some there")))
    assert (failure.message, failure.hint) == ("no images in x", "put some there")
    assert "DataError" in failure.traceback
    assert failure_of(raised(ValueError("first\nsecond"))).message == "ValueError: first"
    assert failure_of(raised(ValueError())).message == "ValueError"


def test_lost_worker_says_how():
    assert lost_worker(-9).message == "the worker was ended from outside by SIGKILL"
    assert lost_worker(-11).message == "the worker was killed by SIGSEGV"
    assert lost_worker(-40).message == "the worker was killed by signal 40"
    assert lost_worker(3).message == "the worker ended with exit code 3"
    assert {lost_worker(code).kind for code in (-9, -11, 3)} == {"worker_lost"}


@pytest.mark.parametrize(
    ("code", "kind"), [(-9, "oom"), (-15, "worker_lost"), (-11, "worker_lost"), (1, "worker_lost")]
)
def test_only_a_kill_is_laid_to_full_memory(code, kind):
    failure = lost_worker(code, killed_for_memory=True)
    assert failure.kind == kind
    assert f"--retry {kind}" in failure.hint


@pytest.mark.parametrize(
    ("code", "outside"),
    [(-9, True), (-15, True), (-1, True), (-2, True), (-11, False), (-6, False), (9, False), (0, False)],
)
def test_signals_of_others_are_told_from_those_of_a_fault(code, outside):
    assert ended_from_outside(code) is outside
