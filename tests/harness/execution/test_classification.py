import errno
import inspect
from typing import get_args

import pytest

from harness import errors
from harness.execution.classification import ended_from_outside, failure_of, lost_worker, timed_out
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


CAUSES = [
    MemoryError(),
    OSError(errno.ENOSPC, "x"),
    IndexError("Target 11 is out of bounds."),
    RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"),
    ValueError("x"),
    *(error("x") for error in vars(errors).values() if inspect.isclass(error) and issubclass(error, errors.BenchError)),
]


def test_every_kind_ends_with_a_hint():
    failures = [failure_of(raised(error)) for error in CAUSES] + [lost_worker(3), timed_out(5)]
    assert {failure.kind for failure in failures} == set(get_args(FailureKind))
    assert all(failure.hint for failure in failures)
    for failure in failures:
        tried_again_anyway = failure.kind == "config_error"
        assert "--retry" not in failure.hint or f"--retry {failure.kind}" in failure.hint or tried_again_anyway


def test_what_ran_out_is_the_cause_whatever_a_plugin_makes_of_it():
    for cause, kind in ((MemoryError(), "oom"), (OSError(errno.EDQUOT, "x"), "disk_full")):
        error = errors.TraceError("cannot be followed", "choose another model")
        error.__cause__ = cause
        failure = failure_of(raised(error))
        assert (failure.kind, failure.message) == (kind, "cannot be followed")
        assert f"--retry {kind}" in failure.hint


def test_labels_beyond_the_classes_are_the_data_sets():
    assert failure_of(raised(IndexError("Target 11 is out of bounds."))).kind == "data_error"
    assert failure_of(raised(IndexError("list index out of range"))).kind == "plugin_error"


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
