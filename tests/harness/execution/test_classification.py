import errno
import inspect
from typing import get_args

import pytest

from harness import errors
from harness.execution.classification import failure_of, lost_worker
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
    assert "signal 9" in lost_worker(-9).message
    assert "exit code 3" in lost_worker(3).message
