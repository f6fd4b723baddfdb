"""A plain PyTorch network: it knows nothing of OpenMMLab or of Compression Bench."""

import torch
from torch import nn
from torch.nn import functional


class SkipNet(nn.Module):
    """An encoder-decoder with a skip connection and channel attention.

    Args:
        classes: Channels of the output.
        width: Channels of the first stage.
    """

    def __init__(self, classes: int, width: int = 16) -> None:
        super().__init__()
        self.stem = _block(3, width)
        self.down = _block(width, 2 * width, stride=2)
        self.bottom = _block(2 * width, 4 * width, stride=2)
        self.attention = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(4 * width, 4 * width, 1), nn.Sigmoid())
        self.up = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.merge = _block(4 * width, 2 * width)
        self.classifier = nn.Conv2d(2 * width, classes, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Returns logits [N, classes, H / 2, W / 2] of images [N, 3, H, W]."""
        down = self.down(self.stem(images))
        bottom = self.bottom(down)
        up = self.up(bottom * self.attention(bottom))
        skip = functional.interpolate(down, size=up.shape[2:])
        return self.classifier(self.merge(torch.cat([up, skip], dim=1)))


def _block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()
    )
