"""A SegNet with two convolutions a stage."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, cast

import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

POOLING = (2, 2)


class SimpleSegNet(nn.Module):
    """Four stages down, whose pooling notes where each maximum was, and four up, which put values back there.

    Source: Badrinarayanan et al., SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation
    (2017); fewer and narrower stages than there.

    Args:
        classes: Channels of the output.
        base_channels: Channels of the first stage; each further one has twice as many.
    """

    def __init__(self, classes: int, base_channels: int = 64) -> None:
        super().__init__()
        widths = [base_channels * factor for factor in (1, 2, 4, 8)]
        self.encoders = nn.ModuleList(_stage(inputs, outputs) for inputs, outputs in pairwise([3, *widths]))
        self.decoders = nn.ModuleList(
            _stage(inputs, outputs) for inputs, outputs in pairwise([*reversed(widths), base_channels])
        )
        self.classifier = nn.Conv2d(base_channels, classes, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Returns logits [N, classes, H, W] of images [N, 3, H, W]; any size from 16 pixels on."""
        features, noted = images, []
        for encoder in self.encoders:
            features = encoder(features)
            size = features.shape[-2:]
            features, places = F.max_pool2d(features, POOLING, return_indices=True)
            noted.append((places, size))
        for decoder, (places, size) in zip(self.decoders, reversed(noted), strict=True):
            features = decoder(F.max_unpool2d(features, places, POOLING, output_size=list(size)))
        return cast("Tensor", self.classifier(features))


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
        nn.Conv2d(outputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )
