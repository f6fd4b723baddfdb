"""What follows a ResNet: from its features to logits, with the names of the published checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from bench_segmentation.networks.aspp import ASPP

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def fcn(inputs: int, channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Returns the head of torchvision's FCN: Long et al., Fully Convolutional Networks (2015)."""
    return nn.Sequential(
        nn.Conv2d(inputs, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Conv2d(channels, classes, 1),
    )


def biased_fcn(inputs: int, channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Returns an FCN head whose first convolution has a bias."""
    head = fcn(inputs, channels, classes, dropout)
    head[0] = nn.Conv2d(inputs, channels, 3, padding=1)
    return head


def deeplab(inputs: int, channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Returns the head of torchvision's DeepLabV3."""
    return nn.Sequential(
        ASPP(inputs, channels, dropout),
        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, classes, 1),
    )


def deeplab_deep(inputs: int, channels: int, classes: int, dropout: float) -> nn.Sequential:
    """Returns DeepLabV3's head with two convolutions where it has its last one.

    They are 3x3 with bias, normalised, and 1x1 behind a second dropout.
    """
    head = deeplab(inputs, channels, classes, dropout)
    head[-1] = biased_fcn(channels, channels, classes, dropout)
    return head


LAYOUTS: Mapping[str, Callable[[int, int, int, float], nn.Sequential]] = {
    "fcn": fcn,
    "biased_fcn": biased_fcn,
    "deeplab": deeplab,
    "deeplab_deep": deeplab_deep,
}
"""Heads by name; each takes channels read, channels inside, classes and a dropout probability."""
