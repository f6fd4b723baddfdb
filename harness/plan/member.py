"""What one of the processes of a training is told to do, as plain JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.plan.job import StageJob


class MemberJob(BaseModel):
    """A stage up to the end of its training, of which the process does its share.

    Attributes:
        stage: The stage, on the device and with the threads of this process.
        rank: Which of the processes it is; process 0 writes, the others only compute.
        processes: How many there are.
        meeting: A file that does not exist yet, by which the processes find each other.
        trained: Where process 0 leaves the weights and the outcome.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: StageJob
    rank: int = Field(ge=0)
    processes: int = Field(ge=2)
    meeting: Path
    trained: Path

    @model_validator(mode="after")
    def _one_of_them(self) -> MemberJob:
        if self.rank >= self.processes:
            message = f"there is no process {self.rank} of {self.processes}"
            raise ValueError(message)
        return self

    @property
    def identity(self) -> str:
        """What tells it from the others."""
        return f"{self.stage.identity}:{self.rank}"
