"""Models between stages: read from an input's folder, written into the work folder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from harness.engine.artifact import LoadedModel, load_model, save_model
from harness.engine.costs import count_convolutions, count_macs, count_params
from harness.engine.workbench import Workbench
from harness.store.artifact import WEIGHTS, ModelFile

MODEL_FOLDER = "model"


def load_input(bench: Workbench, role: str) -> LoadedModel:
    """Returns a private copy of the model that the input stage `role` made, on the stage's device."""
    loaded = load_model(bench.job.inputs[role] / MODEL_FOLDER, bench.registry)
    loaded.model.to(bench.device)
    return loaded


def save_output(bench: Workbench, file: ModelFile, model: nn.Module) -> dict[str, Any]:
    """Writes the stage's model and returns its size: parameters, MACs with their input shape, bytes, convolutions."""
    folder = bench.job.work / MODEL_FOLDER
    save_model(folder, file, model)
    height, width = bench.meta.input_size
    images = torch.zeros((1, 3, height, width), device=bench.device)
    return {
        "params": count_params(model),
        "macs": count_macs(model.eval(), bench.task, images),
        "input_shape": list(images.shape),
        "bytes": (folder / WEIGHTS).stat().st_size,
        "convolutions": count_convolutions(model),
    }
