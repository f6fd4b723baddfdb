"""How far the outputs of a compressed model are from the baseline's."""

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
