"""`harness.load`: from any path that stands for a model to the model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from torch import nn

from harness.engine.artifact import load_model
from harness.engine.stages.models import MODEL_FOLDER
from harness.errors import UserError
from harness.registry import discover
from harness.store.record import read_record


def load_anything(path: str | PathLike[str]) -> nn.Module:
    """See `harness.load`."""
    return load_model(_artifact(Path(path)), discover()).model


def _artifact(path: Path) -> Path:
    if not path.exists():
        message = f"{path}: there is nothing"
        raise UserError(message, "Name an artifact, a stage folder, or a cell folder of a results folder.")
    if path.name == "model.json":
        return path.parent
    if (path / MODEL_FOLDER / "model.json").exists():
        return path / MODEL_FOLDER
    record = path if path.name == "record.json" else path / "record.json"
    return _of_cell(record) if record.exists() else path


def _of_cell(path: Path) -> Path:
    record = read_record(path)
    artifact = record.steps[-1].artifact if record.steps else None
    if artifact is None:
        message = f"{path}: the cell has no model: it is {record.status}"
        raise UserError(message, "Run it to its end first.")
    # <results folder>/cells/<cell>/record.json
    return path.resolve().parents[2] / artifact
