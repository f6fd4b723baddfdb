"""The torch-free half of an artifact: `model.json`, a base and an ordered list of versioned transforms."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UserError
from harness.store.atomic import write_json

ARTIFACT_SCHEMA = 1
WEIGHTS = "weights.safetensors"


class ModelBase(BaseModel):
    """What the network is built from before any transform.

    Attributes:
        task: Task plugin that builds it.
        config: The whole model config; it must fetch nothing when built.
        name: What people call the model.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    name: str
    config: dict[str, Any]


class TransformEntry(BaseModel):
    """One versioned transform; `kind` names a plugin of group `bench.transforms`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    version: int
    payload: dict[str, Any]


class ModelFile(BaseModel):
    """`model.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    base: ModelBase
    transforms: list[TransformEntry] = Field(default_factory=list)


def write_model_file(folder: Path, model: ModelFile) -> None:
    """Writes `model.json` into `folder`."""
    write_json(folder / "model.json", model.model_dump(mode="json"))


def read_model_file(folder: Path) -> ModelFile:
    """Reads `model.json` of an artifact.

    Raises:
        UserError: There is none, or it is not one this version reads.
    """
    path = folder / "model.json"
    if not path.is_file():
        message = f"{folder}: not an artifact: it has no model.json"
        raise UserError(message, "Name an artifact folder: the one that holds model.json and weights.safetensors.")
    try:
        return ModelFile.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        message = f"{path}: {where}: {first['msg']}"
        raise UserError(message, f"This version of bench reads artifacts of schema {ARTIFACT_SCHEMA}.") from error
