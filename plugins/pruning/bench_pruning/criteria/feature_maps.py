"""The feature maps of layers: what a criterion sees while a model runs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench_pruning.channels.layers import PRODUCING
from bench_pruning.gates import channel_dimension

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.channels.groups import ParameterSlot

Visit = Callable[[str, nn.Module, torch.Tensor], None]


@contextmanager
def observed(model: nn.Module, paths: Collection[str], visit: Visit) -> Iterator[None]:
    """Shows each result of some layers to a function, in the forward passes of the block; no hook stays behind.

    Args:
        model: The network.
        paths: Convolutions, linear layers and normalisations.
        visit: Takes a layer's path, the layer, and what one call of it returned, see `maps_of`. What follows may change
            that in place, so it is to be read at once or copied.
    """
    handles = []

    def hook(path: str) -> Callable[..., None]:
        def show(module: nn.Module, args: Any, output: Any) -> None:
            del args
            if isinstance(output, torch.Tensor) and output.numel():
                visit(path, module, output)

        return show

    try:
        for path in paths:
            handles.append(model.get_submodule(path).register_forward_hook(hook(path)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def maps_of(layer: nn.Module, output: torch.Tensor) -> torch.Tensor:
    """Returns a layer's result as maps [N, C, ...], with one spatial axis at least.

    Of linear layers and normalisation over the last dimension that dimension are the channels; of tokens [N, L, C] the
    length is the only spatial axis, and a vector [N, C] is a map of one pixel.
    """
    maps = output.movedim(channel_dimension(layer, output), 1) if output.dim() > 1 else output[None]
    return maps if maps.dim() > 2 else maps[..., None]


def set_modes(model: nn.Module) -> None:
    """Puts all that normalises or drops out in eval mode, but lets branches that exist only in training run."""
    for module in model.modules():
        attends = isinstance(module, nn.MultiheadAttention)  # which drops out by itself
        module.training = any(True for _ in module.children()) and not attends


def members_mean(group: BoundGroup, values: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Returns a group's values, the mean over the layers that have the channel, [C] or [C, C].

    Channels of a layer that are tied are averaged first. Where no layer has a channel (two channels, for a matrix),
    the value is 0.

    Args:
        group: The coupled channels.
        values: By path of a layer, values of its W channels [W] or of pairs of them [W, W].
    """
    shape = [group.size] * max((found.dim() for found in values.values()), default=1)
    total, count = (torch.zeros(shape, dtype=torch.float64) for _ in range(2))
    for path, whole in values.items():
        slot = _slot(group, path, len(whole))
        if slot is not None:
            own, ones = whole.cpu().double(), torch.ones(len(whole), dtype=torch.float64)
            number = group.summed(slot, ones)
            own, numbers = group.summed(slot, own), number
            if own.dim() == 2:
                own, numbers = group.summed(slot, own.T).T, torch.outer(number, number)
            total += own / numbers.clamp(min=1)
            count += numbers > 0
    return total / count.clamp(min=1)


def _slot(group: BoundGroup, path: str, width: int) -> ParameterSlot | None:
    """Returns the slot that counts a layer's results, of which there are `width`; its weight may count others."""
    for slot in group.group.slots:
        if slot.module == path and slot.role in ("norm", *PRODUCING):
            value: Any = getattr(group.model.get_submodule(path), slot.parameter)
            if (value.shape[slot.dim] if isinstance(value, torch.Tensor) else value) == width:
                return slot
    return None
