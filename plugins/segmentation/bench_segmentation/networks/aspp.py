"""Atrous spatial pyramid pooling with torchvision's structure and names."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

RATES = (12, 24, 36)
"""Dilations for an output stride of 8."""


class ImagePooling(nn.Sequential):
    """The branch of the mean over the image.

    In training mode its normalisation needs two images.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns [N, outputs, h, w] of features [N, inputs, h, w]."""
        pooled = features
        for layer in self:
            pooled = layer(pooled)
        return F.interpolate(pooled, size=features.shape[-2:], mode="bilinear", align_corners=False)


class ASPP(nn.Module):
    """A 1x1 convolution, three dilated ones and the image's mean, joined and projected.

    Source: Chen et al., Rethinking Atrous Convolution for Semantic Image Segmentation (2017), section 3.3.

    Args:
        inputs: Channels read.
        outputs: Channels of each branch and of the result.
        dropout: Probability behind the projection.
    """

    def __init__(self, inputs: int, outputs: int, dropout: float) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                _branch(inputs, outputs, 1, 1),
                *(_branch(inputs, outputs, 3, rate) for rate in RATES),
                ImagePooling(inputs, outputs),
            ]
        )
        self.project = nn.Sequential(
            nn.Conv2d(len(self.convs) * outputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Dropout(dropout),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns [N, outputs, h, w] of features [N, inputs, h, w]."""
        return cast("Tensor", self.project(torch.cat([branch(features) for branch in self.convs], dim=1)))


def _branch(inputs: int, outputs: int, kernel: int, rate: int) -> nn.Sequential:
    padding = rate * (kernel // 2)
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=rate, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())
