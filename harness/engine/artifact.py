"""Artifacts: pickle-free folders that rebuild a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from mmengine.registry import init_default_scope
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from harness.engine.seeding import seeded
from harness.engine.weights import load_weights
from harness.errors import UserError
from harness.registry import Registry, Task, load_implementation
from harness.registry.method import Transform, TransformStep
from harness.store.artifact import WEIGHTS, ModelFile, TransformEntry, read_model_file, write_model_file


@dataclass(frozen=True)
class LoadedModel:
    """A model from an artifact, in eval mode, with the description it was rebuilt from."""

    model: nn.Module
    file: ModelFile


def save_model(folder: Path, file: ModelFile, model: nn.Module) -> None:
    """Writes an artifact: `model.json` and `weights.safetensors`.

    Args:
        folder: Target; created.
        file: The description that rebuilds the model's structure.
        model: Source of the weights.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_model_file(folder, file)
    weights = {name: value.detach().cpu().clone().contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def load_model(folder: Path, registry: Registry) -> LoadedModel:
    """Rebuilds the model of an artifact, bit-identical to the one that was saved.

    Torch's global random state is left as it was.

    Raises:
        UserError: The folder is no artifact or its weights cannot be read.
        ShapeMismatchError: The weights do not fit the rebuilt structure.
    """
    file = read_model_file(folder)
    with seeded(0):
        model = build_structure(file, registry)
    _load_weights(model, folder / WEIGHTS)
    return LoadedModel(model.eval(), file)


def build_structure(file: ModelFile, registry: Registry) -> nn.Module:
    """Returns the model that a description stands for, with weights drawn from torch's current seed.

    The base is built with its own initialisation; transforms then cut it like the model they were made for.
    """
    task: Task = load_implementation(registry.task(file.base.task))()
    init_default_scope(task.setup())
    model = task.build(file.base.config)
    for entry in file.transforms:
        model = _transform(entry, registry).apply(model, entry.payload)
    return model


def with_transforms(file: ModelFile, steps: list[TransformStep]) -> ModelFile:
    """Returns the description of the model after further transforms."""
    entries = [TransformEntry(kind=step.kind, version=step.version, payload=step.payload) for step in steps]
    return file.model_copy(update={"transforms": [*file.transforms, *entries]})


def _transform(entry: TransformEntry, registry: Registry) -> Transform:
    plugin = registry.transform(entry.kind)
    if entry.version > plugin.descriptor.version:
        message = (
            f"the artifact uses version {entry.version} of transform {entry.kind!r}, but {plugin.distribution} "
            f"{plugin.version} reads only up to version {plugin.descriptor.version}"
        )
        raise UserError(message, f"Install a newer {plugin.distribution}.")
    transform: Transform = load_implementation(plugin)()
    return transform


def _load_weights(model: nn.Module, path: Path) -> None:
    try:
        weights: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError) as error:
        message = f"{path}: the weights cannot be read ({error})"
        raise UserError(message, "Run the stage that made the artifact again.") from error
    load_weights(model, weights, str(path))
