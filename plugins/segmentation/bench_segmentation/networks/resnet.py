"""ResNet-50 and -101 with torchvision's structure and names, so that its checkpoints load by key."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Bottlenecks of the four stages by depth."""

STAGES = ("layer1", "layer2", "layer3", "layer4")
EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 around an identity path; the 3x3 convolution has the stride.

    Args:
        inputs: Channels read.
        planes: Channels inside; `EXPANSION` times as many come out.
        stride: Of the 3x3 convolution and of the identity path.
        dilation: Of the 3x3 convolution.
        projected: Whether the identity path has a convolution.
    """

    def __init__(self, inputs: int, planes: int, stride: int, dilation: int, *, projected: bool) -> None:
        super().__init__()
        outputs = EXPANSION * planes
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
            if projected
            else None
        )

    def forward(self, features: Tensor) -> Tensor:
        """Returns [N, 4 x planes, h / stride, w / stride] of features [N, inputs, h, w]."""
        inner = self.relu(self.bn1(self.conv1(features)))
        inner = self.relu(self.bn2(self.conv2(inner)))
        inner = self.bn3(self.conv3(inner))
        identity = features if self.downsample is None else self.downsample(features)
        return cast("Tensor", self.relu(inner + identity))


class ResNet(nn.Module):
    """The features of a ResNet's four stages.

    At an output stride of 8 the last two stages have dilation 2 and 4 in place of their strides; the first block of
    each keeps the dilation before it, as torchvision's do.

    Source: He et al., Deep Residual Learning for Image Recognition (2016); dilation: Chen et al., Rethinking Atrous
    Convolution for Semantic Image Segmentation (2017).

    Args:
        depth: 50 or 101.
        output_stride: 8 or 32.
        base_channels: Channels of the stem; 64 in the published nets.
    """

    def __init__(self, depth: int, output_stride: int, base_channels: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, base_channels, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(base_channels)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        strides = {8: (1, 2, 1, 1), 32: (1, 2, 2, 2)}[output_stride]
        inputs, dilation = base_channels, 1
        for number, (count, stride) in enumerate(zip(BLOCKS[depth], strides, strict=True)):
            planes = base_channels * 2**number
            first = Bottleneck(inputs, planes, stride, dilation, projected=True)
            if number > 1 and stride == 1:
                dilation *= 2
            inputs = EXPANSION * planes
            rest = (Bottleneck(inputs, planes, 1, dilation, projected=False) for _ in range(count - 1))
            self.add_module(STAGES[number], nn.Sequential(first, *rest))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Returns the features of the four stages, the finest first, of images [N, 3, H, W]."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        stages = []
        for name in STAGES:
            features = self.get_submodule(name)(features)
            stages.append(features)
        return tuple(stages)
