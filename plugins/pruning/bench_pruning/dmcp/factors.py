"""Channels of a running network multiplied by factors: probabilities, or masks of narrow layers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from bench_pruning.gates import channel_dimension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from torch import nn

    from bench_pruning.channels.groups import ParameterSlot

Factors = dict[str, torch.Tensor]
"""What the channels of each group are multiplied by, [C] by the group's name, on the CPU."""


@dataclass(frozen=True)
class LayerPart:
    """Where the channels of one group are in a layer's result.

    Attributes:
        group: The group's name.
        indices: Channels of the layer, [P].
        channels: The group's channel that each of them is, [P].
    """

    group: str
    indices: torch.Tensor
    channels: torch.Tensor


def layer_factor(parts: Sequence[LayerPart], factors: Factors, width: int) -> torch.Tensor:
    """Returns what each channel of a layer is multiplied by, [W]; 1 for channels of no group.

    Args:
        parts: Of the layer.
        factors: Of the groups.
        width: W.
    """
    factor = factors[parts[0].group].new_ones(width)
    for part in parts:
        factor = factor.index_put((part.indices,), factors[part.group][part.channels])
    return factor


def parts_by_layer(places: Mapping[str, Sequence[ParameterSlot]]) -> dict[str, list[LayerPart]]:
    """Returns the parts of each layer by its path.

    Args:
        places: Slots of the layers behind which a group's channels are multiplied, by the group's name.
    """
    found: dict[str, list[LayerPart]] = {}
    for name, slots in places.items():
        for slot in slots:
            part = LayerPart(name, torch.tensor(slot.indices), torch.tensor(slot.channels))
            found.setdefault(slot.module, []).append(part)
    return found


@contextmanager
def multiplied(network: nn.Module, parts: Mapping[str, Sequence[LayerPart]], factors: Factors) -> Iterator[None]:
    """Multiplies channels behind their layers, in the forward passes of the block; no hook stays behind.

    Args:
        network: The network.
        parts: By path of a layer.
        factors: Of all groups that occur in `parts`; gradients flow to them.
    """
    handles = []

    def hook(path: str) -> Callable[..., torch.Tensor]:
        def multiply(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
            del args
            dim = channel_dimension(module, output)
            factor = layer_factor(parts[path], factors, output.shape[dim]).to(output)
            shape = [1] * output.dim()
            shape[dim] = -1
            return output * factor.view(shape)

        return multiply

    try:
        for path in parts:
            handles.append(network.get_submodule(path).register_forward_hook(hook(path)))
        yield
    finally:
        for handle in handles:
            handle.remove()
