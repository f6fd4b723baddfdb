"""Attention over positions, over channels, and with heads."""

from functools import partial

import torch
from one_op_case import op
from torch import nn
from torch.nn import functional as F

QKV = {name: partial(nn.Linear, 8, 10) for name in ("q", "k", "v")}
NARROW = {"q": partial(nn.Linear, 8, 10), "k": partial(nn.Linear, 8, 10), "v": partial(nn.Linear, 8, 9)}
NARROW_SOURCES = {10: ("q.weight", 0), 9: ("v.weight", 0)}


def tokens(x):
    return x.flatten(2).mT


def single_head(net, x, scale=0.3):
    x = tokens(x)
    return F.scaled_dot_product_attention(net.q(x), net.k(x), net.v(x), scale=scale)


def explicit(net, x):
    x = tokens(x)
    return (0.3 * net.q(x) @ net.k(x).mT).softmax(-1) @ net.v(x)


def scaled_by_width(net, x):
    x = tokens(x)
    query = net.q(x)
    return (query @ net.k(x).mT * query.shape[-1] ** -0.5).softmax(-1) @ net.v(x)


def heads(net, x):
    """The number of heads is written down, the width of each follows."""
    query, key, value = (layer(tokens(x)).unflatten(2, (2, -1)).transpose(1, 2) for layer in (net.q, net.k, net.v))
    return ((0.3 * query @ key.mT).softmax(-1) @ value).transpose(1, 2).flatten(2)


def heads_of_the_input(net, x):
    """The width of a head is computed from the width of what comes in."""
    x = tokens(x)
    n, length, width = x.shape
    query, key, value = net.qkv(x).reshape(n, length, 3, 2, width // 2).permute(2, 0, 3, 1, 4)
    return ((0.3 * query @ key.mT).softmax(-1) @ value).transpose(1, 2).reshape(n, length, width)


def heads_of_fixed_width(net, x):
    x = tokens(x)
    query, key, value = (layer(x).view(*x.shape[:2], 2, 5).transpose(1, 2) for layer in (net.q, net.k, net.v))
    return ((0.3 * query @ key.mT).softmax(-1) @ value).transpose(1, 2).flatten(2)


def channel_attention(net, x, weighted):
    flat = x.flatten(2)
    return (weighted(flat @ flat.mT / 100) @ flat).view_as(x)


ATTENTION = (
    op("attention written out", explicit, reads=10, tokens=True, **QKV),
    op("attention written out, q and k", explicit, reads=10, tokens=True, subject=("q.weight", 0), size=10, **QKV),
    op(
        "SDPA, given scale: q and k",
        single_head,
        reads=10,
        tokens=True,
        subject=("q.weight", 0),
        size=10,
        study="exact",
        **QKV,
    ),
    op(
        "SDPA, given scale: v",
        single_head,
        reads=10,
        tokens=True,
        subject=("v.weight", 0),
        size=10,
        study="exact",
        **QKV,
    ),
    op(
        "SDPA, scale by width: v",
        partial(single_head, scale=None),
        reads=9,
        tokens=True,
        subject=("v.weight", 0),
        size=9,
        oracles=("slices",),
        sources=NARROW_SOURCES,
        **NARROW,
    ),
    op(
        "SDPA, scale by width: q and k",
        partial(single_head, scale=None),
        "mixing",
        10,
        reads=9,
        tokens=True,
        subject=("q.weight", 0),
        sources=NARROW_SOURCES,
        **NARROW,
    ),
    op(
        "attention scaled by width: q and k",
        scaled_by_width,
        "pinned",
        reads=10,
        tokens=True,
        subject=("q.weight", 0),
        **QKV,
    ),
    op("attention scaled by width: v", scaled_by_width, reads=10, tokens=True, subject=("v.weight", 0), size=10, **QKV),
    op("attention with heads: q and k", heads, "balanced", 5, reads=10, tokens=True, subject=("q.weight", 0), **QKV),
    op("attention with heads: v", heads, "balanced", 5, reads=10, tokens=True, subject=("v.weight", 0), **QKV),
    op("heads as wide as the input: input", heads_of_the_input, "pinned", tokens=True, qkv=lambda: nn.Linear(8, 24)),
    op(
        "heads as wide as the input: qkv",
        heads_of_the_input,
        "pinned",
        tokens=True,
        subject=("qkv.weight", 0),
        qkv=lambda: nn.Linear(8, 24),
    ),
    op(
        "heads of fixed width: q", heads_of_fixed_width, "pinned", reads=10, tokens=True, subject=("q.weight", 0), **QKV
    ),
    op("heads of fixed width: input", heads_of_fixed_width, reads=10, tokens=True, **QKV),
    op("channel attention", partial(channel_attention, weighted=torch.tanh)),
    op(
        "channel attention with softmax",
        partial(channel_attention, weighted=lambda a: a.softmax(-1)),
        "pinned",
    ),
    op(
        "Gram matrix",
        lambda net, x: (x.flatten(2) @ x.flatten(2).mT / 144).flatten(1),
        "pinned",
        second=lambda: nn.Linear(64, 6),
        tokens=True,
    ),
)
