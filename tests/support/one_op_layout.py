"""Operations that only move elements: cut, join, fold, flip, pad, roll."""

import torch
from one_op_case import conv, op
from torch import nn
from torch.nn import functional as F


def swapped_halves(net, x):
    left, right = x.chunk(2, dim=1)
    return torch.cat([right, left], dim=1)


def processed_half(net, x):
    left, right = x.chunk(2, dim=1)
    return torch.cat([left, right, net.inner(right)], dim=1)


def shuffled_by_view(net, x):
    n, c, h, w = x.shape
    return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


def focus(net, x):
    return torch.cat([x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)], dim=1)


def windows(net, x):
    """Cyclic shift and windows of 4 x 4, as in Swin."""
    n, c, h, w = x.shape
    x = x.roll((-2, -2), dims=(2, 3))
    x = x.view(n, c, h // 4, 4, w // 4, 4).permute(0, 2, 4, 3, 5, 1).reshape(-1, 16, c)
    x = net.inner(x)
    return x.view(n, h // 4, w // 4, 4, 4, -1).permute(0, 5, 1, 3, 2, 4).reshape(n, -1, h, w)


def dense_block(net, x):
    for layer in (net.inner, net.other):
        x = torch.cat([x, F.relu(layer(x))], dim=1)
    return x


def siamese(net, x):
    """Two images share a layer through the batch."""
    return torch.cat(net.inner(torch.cat([x, x.flip(3)], dim=0)).chunk(2, dim=0), dim=1)


def flat(net, x):
    return x.flatten(1)


def with_coordinates(net, x):
    """CoordConv."""
    rows = torch.linspace(-1, 1, x.shape[2], dtype=x.dtype)[:, None].expand(x.shape[0], 1, *x.shape[2:])
    return torch.cat([x, rows, rows.mT], 1)


def padded_shortcut(net, x):
    """ResNet's option A: the shortcut of a wider block is filled up with zeros."""
    return F.pad(x, (0, 0, 0, 0, 0, 8)) + net.inner(x)


def partly_cleared(net, x):
    x = x.clone()
    x[..., :2] = 0
    return x


def one_channel_cleared(net, x):
    x = x.clone()
    x[:, 2] = 0
    return x


LAYOUT = (
    op("interpolate", lambda net, x: F.interpolate(x, scale_factor=2), study="exact"),
    op(
        "bilinear interpolate + add", lambda net, x: x + F.interpolate(F.avg_pool2d(x, 2), x.shape[2:], mode="bilinear")
    ),
    op("cat", lambda net, x: torch.cat([x, x.sqrt()], 1), reads=16, study="exact"),
    op("cat of swapped chunks", swapped_halves, "balanced", 4, study="exact"),
    op("split by half the width", lambda net, x: torch.cat(x.split(x.shape[1] // 2, 1)[::-1], 1), "balanced", 4),
    op("split into 5 and 3", lambda net, x: torch.cat(x.split([5, 3], 1)[::-1], 1), "pinned"),
    op("chunk into 3, 3 and 2", lambda net, x: torch.cat(x.chunk(3, 1)[::-1], 1), "pinned"),
    op("one of two chunks", lambda net, x: x.chunk(2, 1)[1], "balanced", 4, reads=4),
    op("narrow over channels", lambda net, x: x.narrow(1, 4, 4), "pinned", reads=4),
    op("cat with coordinates", with_coordinates, reads=10),
    op("cat with zeros", lambda net, x: torch.cat([torch.zeros_like(x), x], 1), reads=16),
    op("shortcut padded with channels", padded_shortcut, reads=16, inner=lambda: conv(8, 16)),
    op("x[..., :2] = 0", partly_cleared),
    op("x[:, 2] = 0", one_channel_cleared, "pinned"),
    op("C2f split", processed_half, "balanced", 4, reads=12, inner=lambda: conv(4, 4)),
    op("dense block", dense_block, reads=15, inner=lambda: conv(8, 3), other=lambda: conv(11, 4)),
    op("unbind over channels", lambda net, x: torch.stack(x.unbind(1), 1), "pinned"),
    op("loop over channels", lambda net, x: sum(x[:, i : i + 1] for i in range(x.shape[1])), "pinned", reads=1),
    op("full flatten + linear", flat, second=lambda: nn.Linear(8 * 144, 6), tokens=True, study="exact"),
    op(
        "flatten behind pooling + linear",
        lambda net, x: F.adaptive_avg_pool2d(x, 1).flatten(1),
        tokens=True,
        study="exact",
    ),
    op("NHWC linear", lambda net, x: x.permute(0, 2, 3, 1), tokens=True, study="exact"),
    op("token linear", lambda net, x: x.flatten(2).transpose(1, 2), tokens=True, study="exact"),
    op(
        "moveaxis + contiguous view",
        lambda net, x: x.moveaxis(1, -1).contiguous().view(x.shape[0], -1, x.shape[1]),
        tokens=True,
    ),
    op(
        "positions before channels",
        lambda net, x: x.permute(0, 2, 3, 1).flatten(1),
        second=lambda: nn.Linear(8 * 144, 6),
        tokens=True,
    ),
    op("stack + flatten", lambda net, x: torch.stack([x, 2 * x], 2).flatten(1, 2), reads=16),
    op(
        "F.unfold",
        lambda net, x: F.unfold(x, 3).transpose(1, 2),
        second=lambda: nn.Linear(72, 6),
        tokens=True,
        study="exact",
    ),
    op("Tensor.unfold", lambda net, x: x.unfold(2, 3, 3).unfold(3, 3, 3).amax((4, 5)), study="exact"),
    op("F.unfold + F.fold", lambda net, x: F.fold(F.unfold(x, 3, padding=1), x.shape[2:], 3, padding=1)),
    op("focus slicing", focus, reads=32, study="exact"),
    op("slices with an ellipsis", lambda net, x: x[..., 1:, :-1] + x[..., :-1, 1:]),
    op("flip over channels", lambda net, x: x.flip(1), study="exact"),
    op("flip over positions", lambda net, x: x.flip((2, 3))),
    op("pad channels", lambda net, x: F.pad(x, (0, 0, 0, 0, 1, 1)), reads=10, study="exact or pinned"),
    op("pad positions", lambda net, x: F.pad(F.pad(x, (1, 1, 1, 1)), (1, 0, 0, 1), mode="reflect")),
    op("pixel_shuffle", lambda net, x: F.pixel_shuffle(x, 2), "balanced", 2, reads=2, study="balanced"),
    op("pixel_unshuffle", lambda net, x: F.pixel_unshuffle(x, 2), reads=32, study="exact"),
    op("channel_shuffle", lambda net, x: F.channel_shuffle(x, 2), "balanced", 4, study="crash"),
    op("channel shuffle by view", shuffled_by_view, "balanced", 4, study="crash"),
    op("repeat", lambda net, x: x.repeat(1, 2, 1, 1), reads=16),
    op("repeat_interleave", lambda net, x: x.repeat_interleave(2, dim=1), reads=16),
    op("expand", lambda net, x: x[:, :, None].expand(-1, -1, 2, -1, -1).flatten(1, 2), reads=16),
    op("expand positions", lambda net, x: x.mean((2, 3), keepdim=True).expand_as(x)),
    op("roll over positions, windows", windows, inner=lambda: nn.Linear(8, 8), study="exact"),
    op("roll over channels", lambda net, x: x.roll(2, 1), "pinned"),
    op("x[:, :4]", lambda net, x: x[:, :4], "pinned", reads=4, study="pinned"),
    op("x[:, ::2]", lambda net, x: x[:, ::2], "pinned", reads=4),
    op("x[:, indices]", lambda net, x: x[:, [1, 0, 5, 2]], "pinned", reads=4, study="pinned"),
    op("x[:, mask]", lambda net, x: x[:, net.mask], "pinned", reads=4, mask=lambda: torch.arange(8) % 2 == 0),
    op(
        "index_select over channels",
        lambda net, x: x.index_select(1, net.order),
        "pinned",
        order=lambda: torch.randperm(8),
    ),
    op(
        "x[:, :, rows, columns]",
        lambda net, x: x[:, :, net.rows, net.rows][..., None],
        rows=lambda: torch.tensor([0, 3, 11]),
    ),
    op("gather over positions", lambda net, x: x.flatten(2).gather(2, x.flatten(2).argsort(2)).view_as(x), "pinned"),
    op("two images through one layer", siamese, reads=14, inner=lambda: conv(8, 7)),
)
