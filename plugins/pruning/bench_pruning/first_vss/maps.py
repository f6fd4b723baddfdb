"""Scores that the first VSS benchmark took from maps of noise, [C] by path of the convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from bench_pruning.channels import modes
from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.criteria.feature_maps import observed
from bench_pruning.first_vss.convolutions import scored_convolutions

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.context import Context

SCALES = (0.5, 0.25)
"""Of the smaller maps whose entropy counts too."""

SCALE_WEIGHT = 0.3
LARGEST = 32
"""Pixels of a side at which maps are correlated."""

SMALLEST = 2
"""Pixels that a side of a smaller map has at least; there is none otherwise."""

TINY = 1e-8


def sirfp(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns the `informativeness` of what each convolution makes of one image of noise, in eval mode.

    Convolutions that the prediction does not run have no score.
    """
    network = copied(model)
    modes.set_inference(network)
    found: dict[str, torch.Tensor] = {}

    def visit(path: str, layer: nn.Module, output: torch.Tensor) -> None:
        del layer
        found[path] = informativeness(output)

    paths = scored_convolutions(model, len(context.meta.classes))
    devices = [context.device] if context.device.type == "cuda" else []
    with restored_randomness(context.seed, devices), torch.no_grad(), observed(network, paths, visit):
        context.task.predict(network, context.example_images())
    return {path: found[path] for path in paths if path in found}


def informativeness(maps: torch.Tensor) -> torch.Tensor:
    """Returns entropy times one minus the mean correlation, plus .3 of the entropies at half and a quarter size, [C].

    Args:
        maps: [N, C, H, W].
    """
    others = max(maps.shape[1] - 1, 1)
    correlations = correlation(maps)
    mean = (correlations.sum(1) - correlations.diagonal()) / others
    scores = entropy(maps) * (1 - mean.clamp(0, 1))
    height, width = maps.shape[2:]
    for scale in SCALES:
        if min(height, width) * scale >= SMALLEST:
            size = (int(height * scale), int(width * scale))
            scores = scores + SCALE_WEIGHT * entropy(F.interpolate(maps, size=size, mode="bilinear"))
    return scores


def entropy(maps: torch.Tensor) -> torch.Tensor:
    """Returns the entropy of each channel's magnitudes over the pixels, in nats, the mean over the maps, [C]."""
    magnitudes = maps.flatten(2).abs()
    parts = magnitudes / magnitudes.sum(2, keepdim=True).clamp(min=TINY)
    return -(parts * (parts + TINY).log()).sum(2).mean(0)


def correlation(maps: torch.Tensor) -> torch.Tensor:
    """Returns the magnitude of the correlation of each two channels, of maps of at most 32 x 32 pixels, [C, C]."""
    height, width = maps.shape[2:]
    if max(height, width) > LARGEST:
        maps = F.interpolate(maps, size=(min(height, LARGEST), min(width, LARGEST)), mode="bilinear")
    values = maps.transpose(0, 1).flatten(1)
    values = values - values.mean(1, keepdim=True)
    if values.shape[1] > 1:  # of a single value there is no deviation
        values = values / (values.std(1, keepdim=True) + TINY)
    return (values @ values.T / values.shape[1]).clamp(-1, 1).abs()
