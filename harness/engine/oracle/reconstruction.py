"""How far the outputs of a compressed model are from the baseline's, and what it is made of."""

from __future__ import annotations

import math

import torch
from torch import nn

from harness.engine.oracle.validation import ValidationImages
from harness.registry import Task

BATCHES = 3
"""Batches that the error is the mean of, as in the VSS pruning benchmark."""


def reconstruction_error(
    task: Task, baseline: nn.Module, candidate: nn.Module, images: ValidationImages
) -> float | None:
    """Returns the mean over batches of the mean squared difference of what inference computes, e.g. of logits.

    `None` where it is not finite.

    Args:
        task: Its `predict` makes the outputs.
        baseline: The uncompressed model, in eval mode.
        candidate: The compressed one, in eval mode.
        images: Both see the same.
    """
    errors = []
    with torch.inference_mode():
        for inputs in images.inputs(baseline):
            difference = task.predict(baseline, inputs) - task.predict(candidate, inputs)
            errors.append(float(difference.double().square().mean()))
    mean = math.fsum(errors) / len(errors)
    return mean if math.isfinite(mean) else None


def convolutions(model: nn.Module) -> dict[str, int]:
    """Returns the number of `layers` that are Conv2d, and of the output `channels` that they have together."""
    widths = [int(module.out_channels) for module in model.modules() if isinstance(module, nn.Conv2d)]
    return {"layers": len(widths), "channels": sum(widths)}
