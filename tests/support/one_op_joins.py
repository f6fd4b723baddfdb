"""Operations element by element, gates and products of features."""

import torch
from one_op_case import conv, op
from torch import nn
from torch.nn import functional as F


def squeeze_and_excitation(net, x):
    gate = net.excite(F.relu(net.squeeze(x.mean((2, 3)))))
    return x * gate.sigmoid()[:, :, None, None]


def unpooled(inner, values, places):
    """SegNet: other values go where the maxima were."""
    return F.max_unpool2d(inner(values), places, 2)


def glu(net, x):
    value, gate = x.chunk(2, 1)
    return value * gate.sigmoid()


def in_place(net, x):
    y = net.inner(x)
    y += x
    y.relu_().mul_(0.5)
    return torch.add(y, x, out=torch.empty_like(y)) if not torch.is_grad_enabled() else y.add_(x)


def accumulated(net, x):
    total = torch.zeros_like(x)
    total += x
    total[..., 1:] += x[..., :-1]
    return total


def non_local(net, x):
    theta, phi, g = (layer(x).flatten(2) for layer in (net.theta, net.phi, net.g))
    attention = (theta.mT @ phi).softmax(-1)
    return x + net.out((attention @ g.mT).mT.reshape(x.shape[0], -1, *x.shape[2:]))


def sampled(net, x):
    return F.grid_sample(x, net.grid.expand(x.shape[0], -1, -1, -1), align_corners=False)


POINTWISE = (F.gelu, F.silu, F.hardswish, F.mish, F.relu6, F.leaky_relu, F.elu, torch.tanh, torch.abs, torch.square)


def pointwise(net, x):
    for function in POINTWISE:
        x = x + function(x - x.square())
    return x


JOINS = (
    op(
        "squeeze and excitation",
        squeeze_and_excitation,
        squeeze=lambda: nn.Linear(8, 4),
        excite=lambda: nn.Linear(4, 8),
        study="exact",
    ),
    op("spatial gate of one channel", lambda net, x: x * net.gate(x).sigmoid(), gate=lambda: conv(8, 1)),
    op("sum with one channel", lambda net, x: x * x + x * net.gate(x), gate=lambda: conv(8, 1)),
    op("residual sum", lambda net, x: x + net.inner(x), inner=lambda: conv(8, 8)),
    op("GLU by chunk", glu, "balanced", 4, reads=4),
    op("F.glu", lambda net, x: F.glu(x, 1), "balanced", 4, reads=4),
    op("stack + max", lambda net, x: torch.stack([x, net.inner(x)]).amax(0), inner=lambda: conv(8, 8), study="exact"),
    op("where", lambda net, x: torch.where(x > 0.5, x, torch.zeros_like(x))),
    op("masked_fill", lambda net, x: x.masked_fill(x > 1.5, 0.0)),
    op("in-place operations", in_place, inner=lambda: conv(8, 8)),
    op("zeros_like + in-place sum", accumulated),
    op("pointwise functions", pointwise),
    op("double precision", lambda net, x: (x.double() * 2).to(x.dtype)),
    op("adaptive pools", lambda net, x: F.adaptive_avg_pool2d(x, 6) * F.adaptive_max_pool2d(x, 6)),
    op(
        "max_pool with indices, max_unpool",
        lambda net, x: F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2),
    ),
    op(
        "max_unpool of other values",
        lambda net, x: unpooled(net.inner, *F.max_pool2d(x, 2, return_indices=True)),
        inner=lambda: conv(8, 8),
    ),
    op(
        "max_unpool to places of fixed size",
        lambda net, x: F.max_unpool2d(F.max_pool2d(x, 2), torch.arange(36).view(6, 6).expand(len(x), 8, 6, 6), 2),
        "pinned",
    ),
    op("grid_sample", sampled, grid=lambda: torch.rand(1, 9, 9, 2) * 2 - 1, study="exact"),
    op("fft over positions", lambda net, x: torch.fft.fft2(x).real, "pinned"),
    op("cumsum over positions", lambda net, x: x.cumsum(3) / 12),
    op("softmax over positions", lambda net, x: x * x.flatten(2).softmax(2).view_as(x)),
    op("sum over channels", lambda net, x: x.sum(1, keepdim=True), reads=1),
    op("norm over channels", lambda net, x: x.norm(dim=1, keepdim=True), reads=1),
    op("F.normalize", lambda net, x: F.normalize(x, dim=1), study="mixing or pinned"),
    op("cosine similarity", lambda net, x: F.cosine_similarity(x, x.flip(3), dim=1)[:, None] * x),
    op(
        "non-local",
        non_local,
        theta=lambda: conv(8, 7, 1),
        phi=lambda: conv(8, 7, 1),
        g=lambda: conv(8, 9, 1),
        out=lambda: conv(9, 8, 1),
        study="exact",
    ),
    op(
        "non-local q and k",
        non_local,
        theta=lambda: conv(8, 7, 1),
        phi=lambda: conv(8, 7, 1),
        g=lambda: conv(8, 9, 1),
        out=lambda: conv(9, 8, 1),
        subject=("theta.weight", 0),
        size=7,
        study="exact",
    ),
)
