"""The curve of a training: its losses and learning rate, kept beside the framework's log.

A curve is a note like a log: it is no result, nothing is computed from it, and the stage is complete without it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from harness.errors import UserError
from harness.store.atomic import write_text

CURVE = "curve.json"
LOGS = "mmengine"
"""Folder of the framework's logs in that of a stage; `made_files` leaves it out."""


class Curve(BaseModel):
    """One training from its first iteration to its last, also where it was interrupted in between.

    Attributes:
        schema_version: Version of this format.
        iterations: The last iteration of each point, counted from 1.
        learning_rate: Mean over the point's iterations; empty where it is not known.
        losses: The same of the total, `"loss"`, and of each part of it, by the framework's names; one at
            least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    schema_version: Literal[1] = 1
    iterations: list[int] = Field(min_length=1)
    learning_rate: list[float]
    losses: dict[str, list[float]] = Field(min_length=1)

    @model_validator(mode="after")
    def _of_one_length(self) -> Curve:
        for name, values in {**self.losses, "learning_rate": self.learning_rate}.items():
            if len(values) != len(self.iterations) and (values or name != "learning_rate"):
                message = f"{name} has {len(values)} values for {len(self.iterations)} points"
                raise ValueError(message)
        return self


def write_curve(folder: Path, curve: Curve) -> None:
    """Writes the curve into the folder of a training's logs."""
    write_text(folder / CURVE, curve.model_dump_json() + "\n")


def find_curves(stage: Path) -> dict[str, Path]:
    """Returns the curves that a stage has left, by the purpose of each training: empty for the stage's own.

    Args:
        stage: The folder of a complete stage.
    """
    logs = stage / LOGS
    paths = sorted(logs.glob(f"**/{CURVE}"))
    return {path.parent.relative_to(logs).as_posix().removeprefix("."): path for path in paths}


def read_curve(path: Path) -> Curve:
    """Reads what `write_curve` wrote.

    Raises:
        UserError: It cannot be read; the message says what is wrong with it.
    """
    try:
        return Curve.model_validate_json(path.read_bytes())
    except OSError as error:
        message = f"{path}: cannot be read ({error.strerror})"
        raise UserError(message) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{path}: not a curve: {where}: {first['msg']}"
        raise UserError(message, "Remove it; only the picture of this training is lost.") from error
