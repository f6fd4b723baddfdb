"""What a worker tells its scheduler: one JSON object a line."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, TypeAdapter

from harness.store.failure import Failure


class ProgressMessage(BaseModel):
    """How far the stage is."""

    event: Literal["progress"] = "progress"
    done: int
    total: int
    text: str = ""


class DoneMessage(BaseModel):
    """The stage is published; or the process has done its share of a training, and tells its largest resident size."""

    event: Literal["done"] = "done"
    peak_memory_bytes: int | None = None


class FailedMessage(BaseModel):
    """The stage failed; its failure is published."""

    event: Literal["failed"] = "failed"
    failure: Failure


Message = Annotated[ProgressMessage | DoneMessage | FailedMessage, Field(discriminator="event")]
_ADAPTER: TypeAdapter[ProgressMessage | DoneMessage | FailedMessage] = TypeAdapter(Message)


def parse_message(line: str | bytes) -> ProgressMessage | DoneMessage | FailedMessage:
    """Returns the message in one line of a worker's channel."""
    return _ADAPTER.validate_json(line)
