"""What a one-op network is: one operation between two layers, and what pruning has to make of it.

In all of them `first` makes 8 channels that the operation reads, and `second` makes 6. Where a network is compared with
one that is cut by hand, no other dimension of a parameter has one of these sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _NormBase

Outcome = Literal["exact", "balanced", "mixing", "pinned", "refused"]
"""Prunable channel by channel; several channels at a time; although a statistic is taken over them; not at all."""

Oracle = Literal["sources", "slices"]
"""How the right output is found without the engine: `op_suite.silenced_sources` and `op_suite.cut_by_hand`."""

WIDTH, READ_WIDTH, CLASSES = 8, 6, 5
SIZE = 12


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network around one operation.

    Attributes:
        name: What the operation is called in the table; unique.
        build: Returns the network; weights from torch's current seed.
        outcome: What the engine has to make of the subject's channels.
        size: How many channels or sets of channels can be removed one by one; 0 if none.
        oracles: What the pruned network is compared with.
        study: What a study of other engines found for the prototype; empty where it had no such network.
        subject: The parameter and dimension that make the channels in question.
        sources: What makes as many channels, by their number: what a cut by hand follows.
    """

    name: str
    build: Callable[[], nn.Module]
    outcome: Outcome
    size: int
    oracles: tuple[Oracle, ...]
    study: str = ""
    subject: tuple[str, int] = ("first.weight", 0)
    sources: Mapping[int, tuple[str, int]]


class Sandwich(nn.Module):
    """convolution - norm - relu - operation - convolution - leaky relu - head.

    Args:
        operation: Called with the network and the features [N, 8, H, W].
        parts: Modules and parameters that the operation uses, as attributes of the network.
        reads: How many channels `second` sees.
        second: The layer behind the operation, instead of a convolution.
        tokens: Whether the operation returns [..., channels]; `second` and `head` are linear layers then.
    """

    def __init__(self, operation, parts, reads=WIDTH, second=None, tokens=False):
        super().__init__()
        self.first = conv(3, WIDTH)
        self.norm = nn.BatchNorm2d(WIDTH)
        for name, part in parts.items():
            value = part()
            if isinstance(value, (nn.Module, nn.Parameter)) or not isinstance(value, torch.Tensor):
                setattr(self, name, value)
            else:
                self.register_buffer(name, value)
        layer = nn.Linear if tokens else conv
        self.second = second() if second else layer(reads, READ_WIDTH)
        self.head = layer(READ_WIDTH, CLASSES)
        self.operation = operation

    def forward(self, x):
        x = F.relu(self.norm(self.first(x)))
        return self.head(F.leaky_relu(self.second(self.operation(self, x)), 0.3))


def op(
    name,
    operation,
    outcome="exact",
    size=None,
    *,
    study="",
    oracles=None,
    subject=None,
    sources=None,
    network=None,
    **options,
):
    """Returns the case of a `Sandwich`, or of another network class; see `Case` and `Sandwich`.

    By default the right output is the dense network's with silent sources; if a statistic is taken over channels, it is
    that of a network cut by hand.
    """
    arguments = {key: options.pop(key) for key in ("reads", "second", "tokens") if key in options}
    return Case(
        name=name,
        build=network or (lambda: Sandwich(operation, options, **arguments)),
        outcome=outcome,
        size=size if size is not None else (0 if outcome in ("pinned", "refused") else WIDTH),
        oracles=oracles or (("slices",) if outcome == "mixing" else ("sources",)),
        study=study,
        subject=subject or ("first.weight", 0),
        sources={WIDTH: ("first.weight", 0), READ_WIDTH: ("second.weight", 0), **(sources or {})},
    )


def conv(inputs, outputs, kernel=3, **options):
    """Returns a convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, **options)


def parameter(*shape):
    """Returns what makes a bare parameter."""
    return lambda: nn.Parameter(torch.randn(shape))


def images(batch=2, size=SIZE):
    """Returns images [N, 3, size, size], always the same."""
    return torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(0))


def shaken(model, seed=0):
    """Gives normalisation statistics, scales and shifts that make every leak visible, and eval mode."""
    generator = torch.Generator().manual_seed(seed)
    ranges = {"weight": (0.5, 1.5), "bias": (0.2, 1.0), "running_mean": (-0.5, 0.5), "running_var": (0.5, 1.5)}
    for module in model.modules():
        if isinstance(module, (_NormBase, nn.GroupNorm, nn.LayerNorm)):
            for name, (low, high) in ranges.items():
                if getattr(module, name, None) is not None:
                    getattr(module, name).data.uniform_(low, high, generator=generator)
    return model.eval()
