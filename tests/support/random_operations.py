"""The operations of random networks: what each computes, and the same on fewer channels.

`forward` is the dense computation. `cut` computes it on what is left: with every result goes the list of channels
that it still has, and an operation cuts its own parameters by the list of what it reads. It knows nothing of the
engine: only `kept`, the filters that a layer kept, is given to it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from one_op_case import conv
from torch import nn
from torch.nn import functional as F

WIDEST = 24
"""Channels of the widest result."""


@dataclass(frozen=True)
class Cut:
    """A result with fewer channels.

    Attributes:
        values: [N, C, H, W].
        channels: Which channels of the dense result these are, [C].
    """

    values: torch.Tensor
    channels: torch.Tensor


class Operation(nn.Module):
    """One step of a network.

    Args:
        width: Channels of what it reads; of several inputs, a tuple.
        option: One of `options(width)`.
    """

    inputs = 1
    shared = False

    def __init__(self, width, option):
        super().__init__()
        self.width, self.option = width, option

    @staticmethod
    def options(width):
        """Returns the variants for a width; the first entry of each is the width behind."""
        return [(width,)]


class Convolution(Operation):
    shared = True

    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = conv(width, *option)

    @staticmethod
    def options(width):
        return [(out, kernel) for out in (2, 4, 5, 6, 8) for kernel in (1, 3)]

    def forward(self, x):
        return self.layer(x)

    def cut(self, x):
        return Cut(cut_convolution(self.layer, x, self.layer.kept), self.layer.kept)


class BatchNorm(Operation):
    def __init__(self, width, option):
        super().__init__(width, option)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return self.norm(x)

    def cut(self, x):
        tensors = (self.norm.running_mean, self.norm.running_var, self.norm.weight, self.norm.bias)
        return Cut(F.batch_norm(x.values, *(tensor[x.channels] for tensor in tensors)), x.channels)


class GroupNorm(Operation):
    def __init__(self, width, option):
        super().__init__(width, option)
        self.norm = nn.GroupNorm(option[1], width)

    @staticmethod
    def options(width):
        return [(width, groups) for groups in (1, 2) if width % groups == 0 and width > groups]

    def forward(self, x):
        return self.norm(x)

    def cut(self, x):
        balanced(x.channels, self.width, self.option[1])
        weight, bias = (tensor[x.channels] for tensor in (self.norm.weight, self.norm.bias))
        return Cut(F.group_norm(x.values, self.option[1], weight, bias), x.channels)


class Pointwise(Operation):
    functions = (F.relu, torch.square, lambda x: F.avg_pool2d(x, 3, 1, 1), lambda x: x.flip((2, 3)))

    @staticmethod
    def options(width):
        return [(width, number) for number in range(4)]

    def forward(self, x):
        return self.functions[self.option[1]](x)

    def cut(self, x):
        return Cut(self(x.values), x.channels)


class Upsampling(Operation):
    def forward(self, x):
        return F.interpolate(x, scale_factor=2, mode="bilinear") if x.shape[-1] <= 8 else x  # noqa: PLR2004

    def cut(self, x):
        return Cut(self(x.values), x.channels)


class Scale(Operation):
    """A bare parameter."""

    def __init__(self, width, option):
        super().__init__(width, option)
        self.scale = nn.Parameter(torch.rand(width, 1, 1) + 0.5)

    def forward(self, x):
        return x * self.scale

    def cut(self, x):
        return Cut(x.values * self.scale[x.channels], x.channels)


class Sum(Operation):
    inputs = 2

    @staticmethod
    def options(width):
        return [(width[0],)] if width[0] == width[1] else []

    def forward(self, x, y):
        return x + y

    def cut(self, x, y):
        assert torch.equal(x.channels, y.channels)
        return Cut(x.values + y.values, x.channels)


class Concatenation(Operation):
    inputs = 2

    @staticmethod
    def options(width):
        return [(sum(width),)] if sum(width) <= WIDEST else []

    def forward(self, x, y):
        return torch.cat([x, y], 1)

    def cut(self, x, y):
        return Cut(torch.cat([x.values, y.values], 1), torch.cat([x.channels, self.width[0] + y.channels]))


class Movement(Operation):
    """Another order of the channels."""

    def cut(self, x):
        order, found = (
            self(channels[None, :, None, None]).flatten() for channels in (torch.arange(self.width), x.channels)
        )
        left = torch.isin(order, x.channels)
        assert torch.equal(order[left], found)
        return Cut(self(x.values), left.nonzero().flatten())


class SwappedHalves(Movement):
    @staticmethod
    def options(width):
        return [(width,)] if width % 2 == 0 else []

    def forward(self, x):
        left, right = x.chunk(2, 1)
        return torch.cat([right, left], 1)


class ProcessedHalf(Operation):
    """C2f: one half goes through a layer, all is concatenated."""

    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = conv(width // 2, 3)

    @staticmethod
    def options(width):
        return [(width + 3,)] if width % 2 == 0 and width + 3 <= WIDEST else []

    def forward(self, x):
        left, right = x.chunk(2, 1)
        return torch.cat([left, right, F.relu(self.layer(right))], 1)

    def cut(self, x):
        half = self.width // 2
        left, right = balanced(x.channels, self.width, 2)
        inner = cut_convolution(self.layer, Cut(x.values[:, len(left) :], right - half), self.layer.kept)
        return Cut(torch.cat([x.values, F.relu(inner)], 1), torch.cat([x.channels, self.width + self.layer.kept]))


class Depthwise(Operation):
    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = conv(width, option[0], groups=width)

    @staticmethod
    def options(width):
        return [(width * multiplier,) for multiplier in (1, 2, 3) if width > 1 and width * multiplier <= WIDEST]

    def forward(self, x):
        return self.layer(x)

    def cut(self, x):
        multiplier = self.option[0] // self.width
        rows = (x.channels[:, None] * multiplier + torch.arange(multiplier)).flatten()
        assert torch.equal(rows, self.layer.kept)
        weight, bias = self.layer.weight[rows], self.layer.bias[rows]
        return Cut(F.conv2d(x.values, weight, bias, padding=1, groups=len(x.channels)), rows)


class Grouped(Operation):
    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = conv(width, option[0], groups=2)

    @staticmethod
    def options(width):
        return [(out,) for out in (4, 6) if width % 2 == 0 and width > 2]  # noqa: PLR2004

    def forward(self, x):
        return self.layer(x)

    def cut(self, x):
        rows = balanced(self.layer.kept, self.option[0], 2)
        columns = [part % (self.width // 2) for part in balanced(x.channels, self.width, 2)]
        halves = [
            F.conv2d(values, self.layer.weight[own][:, read], self.layer.bias[own], padding=1)
            for values, own, read in zip(x.values.chunk(2, 1), rows, columns, strict=True)
        ]
        return Cut(torch.cat(halves, 1), self.layer.kept)


class Transposed(Operation):
    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = nn.ConvTranspose2d(width, option[0], 3, padding=1)

    @staticmethod
    def options(width):
        return [(out,) for out in (3, 6)]

    def forward(self, x):
        return self.layer(x)

    def cut(self, x):
        weight = self.layer.weight[x.channels][:, self.layer.kept]
        return Cut(F.conv_transpose2d(x.values, weight, self.layer.bias[self.layer.kept], padding=1), self.layer.kept)


class TokenLinear(Operation):
    shared = True

    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = nn.Linear(width, option[0])

    @staticmethod
    def options(width):
        return [(out,) for out in (3, 4, 8)]

    def forward(self, x):
        tokens = self.layer(x.flatten(2).transpose(1, 2))
        return tokens.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])

    def cut(self, x):
        weight = self.layer.weight[self.layer.kept][:, x.channels]
        values = F.linear(x.values.permute(0, 2, 3, 1), weight, self.layer.bias[self.layer.kept])
        return Cut(values.permute(0, 3, 1, 2), self.layer.kept)


class ChannelGate(Operation):
    """Squeeze and excitation."""

    def __init__(self, width, option):
        super().__init__(width, option)
        self.squeeze, self.excite = nn.Conv2d(width, 3, 1), nn.Conv2d(3, width, 1)

    def forward(self, x):
        return x * self.excite(F.relu(self.squeeze(x.mean((2, 3), keepdim=True)))).sigmoid()

    def cut(self, x):
        pooled = Cut(x.values.mean((2, 3), keepdim=True), x.channels)
        hidden = Cut(F.relu(cut_convolution(self.squeeze, pooled, self.squeeze.kept)), self.squeeze.kept)
        return Cut(x.values * cut_convolution(self.excite, hidden, x.channels).sigmoid(), x.channels)


class SpatialGate(Operation):
    """A map of one channel."""

    def __init__(self, width, option):
        super().__init__(width, option)
        self.layer = conv(width, 1)

    def forward(self, x):
        return x * self.layer(x).sigmoid()

    def cut(self, x):
        return Cut(x.values * cut_convolution(self.layer, x, torch.tensor([0])).sigmoid(), x.channels)


class Residual(Operation):
    def __init__(self, width, option):
        super().__init__(width, option)
        self.inner, self.outer = conv(width, 5), conv(5, width)

    def forward(self, x):
        return F.relu(x + self.outer(F.relu(self.inner(x))))

    def cut(self, x):
        hidden = Cut(F.relu(cut_convolution(self.inner, x, self.inner.kept)), self.inner.kept)
        return Cut(F.relu(x.values + cut_convolution(self.outer, hidden, x.channels)), x.channels)


class PixelShuffle(Operation):
    @staticmethod
    def options(width):
        return [(width // 4,)] if width % 4 == 0 else []

    def forward(self, x):
        return F.pixel_shuffle(x, 2)

    def cut(self, x):
        whole = x.channels.view(-1, 4)
        assert torch.equal(whole, whole[:, :1] // 4 * 4 + torch.arange(4))
        return Cut(self(x.values), whole[:, 0] // 4)


class PixelUnshuffle(Operation):
    @staticmethod
    def options(width):
        return [(width * 4,)] if width * 4 <= WIDEST else []

    def forward(self, x):
        return F.pixel_unshuffle(F.adaptive_avg_pool2d(x, 4), 2)

    def cut(self, x):
        return Cut(self(x.values), (x.channels[:, None] * 4 + torch.arange(4)).flatten())


class ChannelShuffle(Movement):
    @staticmethod
    def options(width):
        return [(width,)] if width % 2 == 0 and width > 2 else []  # noqa: PLR2004

    def forward(self, x):
        return x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)


class ChannelFlip(Movement):
    def forward(self, x):
        return x.flip(1)


OPERATIONS = (
    *(Convolution, BatchNorm, GroupNorm, Pointwise, Upsampling, Scale, Sum, Concatenation, SwappedHalves),
    *(ProcessedHalf, Depthwise, Grouped, Transposed, TokenLinear, ChannelGate, SpatialGate, Residual),
    *(PixelShuffle, PixelUnshuffle, ChannelFlip, ChannelShuffle),
)


def cut_convolution(layer, x, rows):
    """Returns some filters of a convolution on what is left of its input."""
    return F.conv2d(x.values, layer.weight[rows][:, x.channels], layer.bias[rows], padding=layer.padding)


def balanced(channels, width, groups):
    """Returns the channels of each group; all have as many."""
    parts = [channels[channels // (width // groups) == group] for group in range(groups)]
    assert len({len(part) for part in parts}) == 1
    return parts
