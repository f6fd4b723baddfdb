"""Scores that the first VSS benchmark took from weights alone, [C] by path of the convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.first_vss.convolutions import following_normalizations, scored_convolutions

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.context import Context


def l1(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns `sum |w|` of each filter."""
    return {path: rows.abs().sum(1) for path, rows in _filters(model, context).items()}


def l2(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns `||w||_2` of each filter."""
    return {path: rows.norm(dim=1) for path, rows in _filters(model, context).items()}


def fpgm(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns `sum_j ||w_i - w_j||_2` over the filters of the convolution."""
    return {path: torch.cdist(rows, rows).sum(1) for path, rows in _filters(model, context).items()}


def slimming(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns `|gamma|` of the normalisation behind each convolution, as the model comes: there is no sparse training.

    Convolutions without one have no score. One of another width, or without a scale, gives zeros.
    """
    normalizations = following_normalizations(model)
    found = {}
    for path, layer in scored_convolutions(model, len(context.meta.classes)).items():
        if path in normalizations:
            scale = normalizations[path].weight
            fits = scale is not None and len(scale) == layer.out_channels
            found[path] = scale.detach().abs() if fits else torch.zeros(layer.out_channels)
    return found


def random(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns numbers drawn from U(0, 1) under the cell's seed, convolution by convolution."""
    generator = context.generator("random scores of all convolutions")
    convolutions = scored_convolutions(model, len(context.meta.classes))
    return {path: torch.rand(layer.out_channels, generator=generator) for path, layer in convolutions.items()}


def _filters(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns the filters of each convolution, [C, D]."""
    convolutions = scored_convolutions(model, len(context.meta.classes))
    return {path: layer.weight.detach().flatten(1) for path, layer in convolutions.items()}
