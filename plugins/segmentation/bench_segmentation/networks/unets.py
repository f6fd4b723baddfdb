"""Two U-Nets of full width that differ in how they go up."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

STAGES = 4
"""Halvings; the bottom has 2 ** STAGES times the base channels."""


class TransposedUNet(nn.Module):
    """Goes up by 2x2 transposed convolutions.

    Source: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation (2015), here with
    padding and batch normalisation.

    Args:
        classes: Channels of the output.
        base_channels: Channels of the first stage.
    """

    def __init__(self, classes: int, base_channels: int = 64) -> None:
        super().__init__()
        widths = _widths(base_channels)
        self.downs = nn.ModuleList(_double(inputs, outputs) for inputs, outputs in pairwise([3, *widths[:-1]]))
        self.bottleneck = _double(widths[-2], widths[-1])
        rising = list(pairwise(reversed(widths)))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(below, own, 2, stride=2) for below, own in rising)
        self.merges = nn.ModuleList(_double(2 * own, own) for _, own in rising)
        self.classifier = nn.Conv2d(base_channels, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits [N, classes, H, W] of images [N, 3, H, W]; any size from 16 pixels on."""
        features, skips = images, []
        for down in self.downs:
            features = down(features)
            skips.append(features)
            features = F.max_pool2d(features, 2)
        features = self.bottleneck(features)
        for up, merge, skip in zip(self.ups, self.merges, reversed(skips), strict=True):
            risen = up(features)
            if risen.shape[-2:] != skip.shape[-2:]:  # a side that was odd lost a row below
                risen = F.interpolate(risen, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            features = merge(torch.cat([skip, risen], dim=1))
        return cast("Tensor", self.classifier(features))


class BilinearUNet(nn.Module):
    """Goes up by bilinear resizing and a 1x1 convolution to half the channels; dropout behind every stage.

    Args:
        classes: Channels of the output.
        base_channels: Channels of the first stage.
        dropout: Probability.
    """

    def __init__(self, classes: int, base_channels: int = 64, dropout: float = 0.2) -> None:
        super().__init__()
        widths = _widths(base_channels)
        self.downs = nn.ModuleList(
            nn.Sequential(*_double(inputs, outputs), nn.Dropout(dropout)) for inputs, outputs in pairwise([3, *widths])
        )
        rising = list(pairwise(reversed(widths)))
        self.halvings = nn.ModuleList(nn.Conv2d(below, own, 1) for below, own in rising)
        self.merges = nn.ModuleList(nn.Sequential(*_double(2 * own, own), nn.Dropout(dropout)) for _, own in rising)
        self.classifier = nn.Conv2d(base_channels, classes, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits [N, classes, H, W] of images [N, 3, H, W]; any size from 16 pixels on."""
        first, *others = self.downs
        skips = [first(images)]
        for down in others:
            skips.append(down(F.max_pool2d(skips[-1], 2)))
        features = skips.pop()
        for halving, merge, skip in zip(self.halvings, self.merges, reversed(skips), strict=True):
            risen = F.interpolate(features, size=skip.shape[-2:], mode="bilinear", align_corners=True)
            features = merge(torch.cat([skip, halving(risen)], dim=1))
        return cast("Tensor", self.classifier(features))


def _widths(base_channels: int) -> list[int]:
    return [base_channels * 2**stage for stage in range(STAGES + 1)]


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
