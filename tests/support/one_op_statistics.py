"""Statistics over channels, their order, and what depends on how many there are."""

import torch
from one_op_case import op
from torch import nn
from torch.nn import functional as F


def over_channels(layer):
    return lambda net, x: getattr(net, layer)(x.permute(0, 2, 3, 1))


def efficient_attention(net, x):
    """ECA: a convolution along the channels."""
    gate = net.along(x.mean((2, 3))[:, None])[:, 0]
    return x * gate.sigmoid()[:, :, None, None]


def by_number(net, x):
    return x * torch.arange(x.shape[1], dtype=x.dtype)[:, None, None]


def selected(net, x):
    return x.gather(1, x.topk(3, 1).indices)


def through_numpy(net, x):
    return torch.from_numpy(x.detach().numpy()[:, ::-1].copy())


def averaged_by_numpy(net, x):
    return x * torch.from_numpy(x.detach().numpy().mean(1, keepdims=True))


def cached(net, x):
    """The first image says how wide a constant is."""
    if not hasattr(net, "constant"):
        net.constant = torch.linspace(1, 2, x.shape[1], dtype=x.dtype)[:, None, None]
    return x * net.constant


def groups_of_four(net, x):
    """The number of groups follows from the width, not theirs."""
    return x.view(x.shape[0], -1, 4, *x.shape[2:]).flip(2).flatten(1, 2)


STATISTICS = (
    op("group norm", lambda net, x: net.gn(x), "mixing", 4, gn=lambda: nn.GroupNorm(2, 8), study="balanced"),
    op("group norm of one group", lambda net, x: net.gn(x), "mixing", gn=lambda: nn.GroupNorm(1, 8)),
    op("group norm, a channel a group", lambda net, x: net.gn(x), "pinned", gn=lambda: nn.GroupNorm(8, 8)),
    op(
        "layer norm over channels",
        over_channels("ln"),
        "mixing",
        tokens=True,
        ln=lambda: nn.LayerNorm(8),
        study="mixing",
    ),
    op("F.layer_norm", lambda net, x: F.layer_norm(x.permute(0, 2, 3, 1), x.shape[1:2]), "mixing", tokens=True),
    op(
        "layer norm without affine",
        over_channels("ln"),
        "pinned",
        tokens=True,
        ln=lambda: nn.LayerNorm(8, elementwise_affine=False),
    ),
    op("F.layer_norm of written size", lambda net, x: F.layer_norm(x.permute(0, 2, 3, 1), (8,)), "pinned", tokens=True),
    op("layer norm over maps", lambda net, x: net.ln(x), oracles=("slices",), ln=lambda: nn.LayerNorm((12, 12))),
    op("layer norm over all", lambda net, x: net.ln(x), "mixing", ln=lambda: nn.LayerNorm((8, 12, 12))),
    op("RMS norm over channels", over_channels("rms"), "mixing", tokens=True, rms=lambda: nn.RMSNorm(8)),
    op("local response norm", lambda net, x: F.local_response_norm(x, 3), "pinned"),
    op("mean over channels", lambda net, x: x * x.mean(1, keepdim=True), "mixing", study="mixing"),
    op(
        "spatial gate of the mean",
        lambda net, x: x * net.gate(x.mean(1, keepdim=True)).sigmoid(),
        "mixing",
        gate=lambda: nn.Conv2d(1, 1, 3, padding=1),
    ),
    op("maximum over channels", lambda net, x: x - x.amax(1, keepdim=True), "mixing"),
    op("variance over channels", lambda net, x: x * x.var(1, keepdim=True), "mixing"),
    op("softmax over channels", lambda net, x: x.softmax(1), "pinned", study="mixing"),
    op("logsumexp over channels", lambda net, x: x - x.logsumexp(1, keepdim=True), "pinned"),
    op("mean over all", lambda net, x: x / x.mean(), "mixing"),
    op("cumsum over channels", lambda net, x: x.cumsum(1), "pinned"),
    op("topk over channels", selected, "pinned", reads=3),
    op("sort over channels", lambda net, x: x.sort(1).values, "pinned"),
    op("argmax over channels", lambda net, x: x * (x.argmax(1, keepdim=True) + 1), "pinned"),
    op("convolution along channels", efficient_attention, "pinned", along=lambda: nn.Conv1d(1, 1, 3, padding=1)),
    op("pooling along channels", lambda net, x: F.avg_pool1d(x.flatten(2).mT, 2).mT[..., None], "pinned", reads=4),
    op(
        "interpolation along channels",
        lambda net, x: F.interpolate(x.flatten(2).mT, 4).mT[..., None],
        "pinned",
        reads=4,
    ),
    op(
        "cdist between channels",
        lambda net, x: (torch.cdist(x.flatten(2), x.flatten(2)) @ x.flatten(2)).view_as(x),
        "pinned",
    ),
    op("constant of full width", lambda net, x: x * torch.linspace(1, 2, 8, dtype=x.dtype)[:, None, None], "pinned"),
    op("channel numbers", by_number, "pinned"),
    op("scale by width", lambda net, x: x * x.shape[1] ** -0.5, "pinned"),
    op("written view", lambda net, x: x.view(x.shape[0], 8, -1).softmax(2).view_as(x), "pinned", study="crash"),
    op(
        "written view into halves",
        lambda net, x: x.view(x.shape[0], 2, 4, *x.shape[2:]).flip(1).flatten(1, 2),
        "pinned",
        study="crash",
    ),
    op("written width of groups", groups_of_four, "pinned"),
    op("numpy, reversed", through_numpy, "pinned"),
    op("numpy, mean over channels", averaged_by_numpy, "pinned"),
    op("cached constant", cached, "pinned"),
    op("new_zeros + assignment", lambda net, x: _assigned(x), "pinned", study="crash"),
    op("returned features", None, "pinned", network=lambda: Returned()),
)


def _assigned(x):
    result = x.new_zeros(x.shape[0], 8, *x.shape[2:])
    result[:, :8] = x
    return result


class Returned(nn.Module):
    """The features are an output."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)

    def forward(self, x):
        x = F.relu(self.first(x))
        return [self.head(x), x]
