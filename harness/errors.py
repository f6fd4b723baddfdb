"""Errors that the harness and its plugins raise on purpose.

Every one of them carries a message that says what was wrong and where, and a hint that says what to do.
A `UserError` is the user's to mend and ends the command with exit code 2; the others become the typed
failure of one stage (see `docs/design/failures.md`).
"""

from __future__ import annotations

from typing import Literal

FailureKind = Literal[
    "oom",
    "nan_loss",
    "trace_error",
    "unsupported_op",
    "shape_mismatch",
    "check_failed",
    "timeout",
    "plugin_error",
    "data_error",
    "config_error",
    "disk_full",
    "worker_lost",
]
"""What sorts of failures a stage can have; those of errors below are their `kind`."""


class BenchError(Exception):
    """Base of all deliberate errors: a message and, where there is one, a hint.

    Args:
        message: What was wrong and where.
        hint: What the reader can do about it.

    Attributes:
        kind: The kind of failure that it makes of a stage.
    """

    kind: FailureKind = "plugin_error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class UserError(BenchError):
    """A mistake in a flag, a file or a name; shown without a traceback."""

    kind = "config_error"


class PluginError(BenchError):
    """A plugin could not be loaded or broke its contract."""


class TraceError(BenchError):
    """A model's channels could not be followed."""

    kind: FailureKind = "trace_error"


class UnsupportedOperationError(TraceError):
    """A model uses an operation that cannot be compressed."""

    kind = "unsupported_op"


class ShapeMismatchError(BenchError):
    """Stored indices or weights do not fit the model that they are applied to."""

    kind = "shape_mismatch"


class CheckFailedError(BenchError):
    """A self-check found that a compressed model is not what it should be."""

    kind = "check_failed"


class DataError(BenchError):
    """A data set is missing, incomplete or malformed."""

    kind = "data_error"


class NonFiniteLossError(BenchError):
    """Training produced a loss that is not finite."""

    kind = "nan_loss"


class WorkerLostError(BenchError):
    """A stage's process ended under it, or has lost the stage to another one."""

    kind = "worker_lost"
