"""The typed failure of a stage."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from harness.errors import FailureKind

__all__ = ["Failure", "FailureKind"]


class Failure(BaseModel):
    """Why a stage failed; it stays in every table until the stage is retried.

    Attributes:
        kind: What sort of failure it is.
        message: What happened, in a line or two.
        hint: What can be done about it.
        traceback: The Python traceback, empty where there was none.
        log: Path of the stage's log, relative to the results folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FailureKind
    message: str
    hint: str = ""
    traceback: str = ""
    log: str = ""
