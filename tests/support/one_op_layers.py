"""Layers and bare parameters that read or carry the channels."""

import torch
from one_op_case import conv, op, parameter
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint


class StandardizedConv(nn.Conv2d):
    """Weight standardisation: each filter has mean 0 and variance 1."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        weight = weight / (weight.square().mean((1, 2, 3), keepdim=True) + 1e-5).sqrt()
        return F.conv2d(x, weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Tied(nn.Module):
    """Two layers own one weight."""

    def __init__(self):
        super().__init__()
        self.first, self.left, self.right, self.head = conv(3, 8), conv(8, 6), conv(8, 6), conv(12, 5)
        self.right.weight = self.left.weight

    def forward(self, x):
        x = F.relu(self.first(x))
        return self.head(torch.cat([F.relu(self.left(x)), F.relu(self.right(x.flip(2)))], 1))


class Shared(nn.Module):
    """One layer reads two branches."""

    def __init__(self):
        super().__init__()
        self.first, self.left, self.second, self.head = conv(3, 8), conv(3, 8), conv(8, 6), conv(6, 5)

    def forward(self, x):
        return self.head(F.relu(self.second(F.relu(self.first(x)))) + F.relu(self.second(F.relu(self.left(x)))))


class Squared(torch.autograd.Function):
    """A function with a backward pass of its own."""

    @staticmethod
    def forward(context, x):
        return x * x

    @staticmethod
    def backward(context, gradient):
        return gradient


def dynamic_depthwise(net, x):
    """DMNet: each image's own kernel for each of its channels."""
    n, c, h, w = x.shape
    kernels = net.make(F.adaptive_avg_pool2d(x, 3)).reshape(n * c, 1, 3, 3)
    return F.conv2d(x.reshape(1, n * c, h, w), kernels, padding=1, groups=n * c).view(n, c, h, w)


def dynamic_filters(net, x):
    """Each image's own filters, made of its pooled features."""
    filters = net.make(x.mean((2, 3))).view(x.shape[0], 7, -1)
    return torch.einsum("noc,nchw->nohw", filters, x)


def checkpointed(net, x):
    return checkpoint(lambda y: F.relu(net.inner(y)), x, use_reentrant=False)


def remembered(net, x):
    """A memory that every forward pass changes."""
    net.memory.mul_(0.9).add_(x.detach().mean((0, 2, 3)), alpha=0.1)
    return x * net.memory[:, None, None]


def depthwise(kernel=3, multiplier=1):
    return lambda: conv(8, 8 * multiplier, kernel, groups=8)


LAYERS = (
    op("plain", lambda net, x: x, oracles=("sources", "slices"), study="exact"),
    op("depthwise convolution", lambda net, x: net.depth(x), depth=depthwise(), study="exact"),
    op("depthwise, multiplier 6", lambda net, x: net.depth(x), reads=48, depth=depthwise(multiplier=6), study="exact"),
    op(
        "depthwise with stride",
        lambda net, x: net.depth(x),
        depth=lambda: nn.Conv2d(8, 8, 2, stride=2, groups=8, bias=False),
    ),
    op("PReLU", lambda net, x: net.act(x - 1), act=lambda: nn.PReLU(8), oracles=("slices",), study="exact"),
    op("PReLU with one slope", lambda net, x: net.act(-x), act=nn.PReLU),
    op("transposed convolution", lambda net, x: x, second=lambda: nn.ConvTranspose2d(8, 6, 2, stride=2), study="exact"),
    op("depthwise transposed", lambda net, x: net.up(x), up=lambda: nn.ConvTranspose2d(8, 8, 2, stride=2, groups=8)),
    op(
        "depthwise transposed, multiplier 2",
        lambda net, x: net.up(x),
        reads=16,
        up=lambda: nn.ConvTranspose2d(8, 16, 2, groups=8),
    ),
    op(
        "grouped transposed",
        lambda net, x: net.up(x),
        "pinned",
        reads=4,
        up=lambda: nn.ConvTranspose2d(8, 4, 2, groups=2),
    ),
    op(
        "group convolution",
        lambda net, x: net.inner(x),
        "balanced",
        4,
        inner=lambda: conv(8, 8, groups=2),
        study="balanced",
    ),
    op(
        "group convolution, 8 to 12",
        lambda net, x: net.inner(x),
        "balanced",
        2,
        reads=12,
        inner=lambda: conv(8, 12, groups=4),
    ),
    op("shared convolution", None, network=Shared, study="exact"),
    op("one layer twice in a row", lambda net, x: net.inner(F.relu(net.inner(x))), inner=lambda: conv(8, 8)),
    op("tied weights", None, "pinned", network=Tied),
    op("tied weights inside", None, "pinned", network=Tied, subject=("left.weight", 0)),
    op(
        "linear, bare weight",
        lambda net, x: F.linear(x.flatten(2).mT, net.w),
        reads=7,
        tokens=True,
        w=parameter(7, 8),
        study="exact",
    ),
    op("convolution, bare weight", lambda net, x: F.conv2d(x, net.w), reads=7, w=parameter(7, 8, 1, 1), study="exact"),
    op(
        "einsum, bare weight",
        lambda net, x: torch.einsum("nchw,cd->ndhw", x, net.w),
        reads=7,
        w=parameter(8, 7),
        study="exact",
    ),
    op(
        "masked weight",
        lambda net, x: F.conv2d(x, net.inner.weight * net.mask),
        reads=7,
        inner=lambda: nn.Conv2d(8, 7, 3, bias=False),
        mask=lambda: (torch.rand(7, 8, 3, 3) > 0.3).float(),
    ),
    op("dynamic depthwise kernels", dynamic_depthwise, make=lambda: conv(8, 8, 1)),
    op("dynamic filters", dynamic_filters, reads=7, make=lambda: nn.Linear(8, 56)),
    op("memory of running means", remembered, "exact", memory=lambda: torch.ones(8)),
    op("checkpointed", checkpointed, reads=7, inner=lambda: conv(8, 7)),
    op("layer scale", lambda net, x: x + net.scale * x.sqrt(), scale=parameter(8, 1, 1), study="exact"),
    op("position embedding", lambda net, x: x + net.embedding, embedding=parameter(1, 8, 12, 12), study="exact"),
    op("buffer added", lambda net, x: x + net.shift, shift=lambda: torch.randn(1, 8, 1, 1), study="exact"),
    op(
        "buffer as mixing matrix",
        lambda net, x: torch.einsum("nchw,cd->ndhw", x, net.m),
        reads=7,
        m=lambda: torch.randn(8, 7),
    ),
    op(
        "batch norm without affine",
        lambda net, x: net.bn(x),
        bn=lambda: nn.BatchNorm2d(8, affine=False),
        oracles=("slices",),
    ),
    op("batch norm of the moment", lambda net, x: net.bn(x), bn=lambda: nn.BatchNorm2d(8, track_running_stats=False)),
    op("instance norm", lambda net, x: net.inorm(x), inorm=lambda: nn.InstanceNorm2d(8)),
    op("instance norm, affine", lambda net, x: net.inorm(x), inorm=lambda: nn.InstanceNorm2d(8, affine=True)),
    op("weight standardisation behind", lambda net, x: x, "pinned", second=lambda: StandardizedConv(8, 6, 3)),
    op(
        "weight standardisation before",
        lambda net, x: net.ws(x),
        reads=7,
        subject=("ws.weight", 0),
        size=7,
        sources={7: ("ws.weight", 0)},
        oracles=("slices",),
        ws=lambda: StandardizedConv(8, 7, 3),
    ),
    op(
        "weight norm",
        lambda net, x: x,
        "pinned",
        second=lambda: parametrizations.weight_norm(conv(8, 6)),
    ),
    op(
        "weight norm before",
        lambda net, x: net.wn(x),
        "pinned",
        reads=7,
        wn=lambda: parametrizations.weight_norm(conv(8, 7)),
        subject=("wn.parametrizations.weight.original1", 0),
    ),
    op("spectral norm", lambda net, x: x, "pinned", second=lambda: parametrizations.spectral_norm(conv(8, 6))),
    op(
        "bilinear layer",
        lambda net, x: net.pair(*[x.permute(0, 2, 3, 1)] * 2),
        "pinned",
        reads=7,
        tokens=True,
        pair=lambda: nn.Bilinear(8, 8, 7),
    ),
    op(
        "convolution in 1 d",
        lambda net, x: net.inner(x.flatten(2))[..., None],
        reads=7,
        inner=lambda: nn.Conv1d(8, 7, 3),
    ),
    op(
        "convolution in 3 d",
        lambda net, x: net.inner(x[:, :, None]).squeeze(2),
        reads=7,
        inner=lambda: nn.Conv3d(8, 7, (1, 3, 3)),
    ),
    op(
        "channels as depth of a 3 d one",
        lambda net, x: net.inner(x[:, None])[:, 0],
        "pinned",
        inner=lambda: nn.Conv3d(1, 1, 3, padding=1),
    ),
    op(
        "embedding",
        lambda net, x: torch.einsum("qc,nchw->nqhw", net.queries.weight, x),
        reads=7,
        queries=lambda: nn.Embedding(7, 8),
    ),
    op(
        "embedding looked up",
        lambda net, x: x + net.table(torch.tensor(3)).view(-1, 1, 1),
        table=lambda: nn.Embedding(7, 8),
    ),
    op(
        "LSTM",
        lambda net, x: net.lstm(x.flatten(2).mT)[0],
        "pinned",
        reads=7,
        tokens=True,
        lstm=lambda: nn.LSTM(8, 7, batch_first=True),
    ),
    op("dropout", lambda net, x: F.dropout(x, 0.5, net.training)),
    op("dropout of channels", lambda net, x: F.dropout2d(x, 0.5, net.training), "pinned"),
    op("autograd function", lambda net, x: Squared.apply(x)),
    op("no_grad branch", lambda net, x: x + _without_gradient(net, x), inner=lambda: conv(8, 8), study="exact"),
    op("detached branch", lambda net, x: x + net.inner(x.detach()).detach(), inner=lambda: conv(8, 8), study="exact"),
)


def _without_gradient(net, x):
    with torch.no_grad():
        return net.inner(x)
