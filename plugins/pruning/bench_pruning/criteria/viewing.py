"""Where a group's channels can be seen in a forward pass: as the layers that read them get them.

That is behind normalisation and activation, whatever these are, and behind sums, concatenations and pooling.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from bench_pruning.channels.layers import CHANNEL_LAYERS, PRODUCING
from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.channels.groups import ParameterSlot

UNSEEN = "no layer makes or reads its channels whose maps could be seen"
"""Why a group has no score: its weights are used without their layer, as the projections of attention are."""


class Place(NamedTuple):
    """One side of a layer.

    Attributes:
        path: The layer.
        incoming: Whether its input is meant, not its result.
    """

    path: str
    incoming: bool


Look = Callable[[Place, nn.Module, torch.Tensor], torch.Tensor | None]

Views = dict[Place, tuple[tuple[int, ...], ...]]
"""By place, the indices there of each channel of a group, [C, P]; tied and flattened channels have P > 1."""


def views_of(group: BoundGroup) -> Views:
    """Returns the inputs of the layers that read a group, then the results of the layers that make it."""
    found: Views = {}
    for incoming, roles in ((True, ("consumer",)), (False, PRODUCING)):
        for slot in group.group.slots:
            layer = group.model.get_submodule(slot.module)
            if slot.role in roles and slot.parameter == "weight" and _is_called(layer):
                indices = _indices(slot, layer, group.size, incoming=incoming)
                if indices is not None:
                    found.setdefault(Place(slot.module, incoming), indices)
    return found


def best_views(network: nn.Module, groups: Sequence[BoundGroup], run: Callable[[], object]) -> dict[str, Views]:
    """Returns where to look at each group: at all that reads it, or where nothing does, at all that makes it.

    Args:
        network: The network in which the layers will be watched.
        groups: The groups.
        run: Runs it forward once; layers that it does not call are left out.

    Raises:
        UnsupportedOperationError: Of some group no such layer is called.
    """
    views = {group.name: views_of(group) for group in groups}
    called: set[Place] = set()

    def look(place: Place, layer: nn.Module, tensor: torch.Tensor) -> None:
        del layer, tensor
        called.add(place)

    with intercepted(network, {place for own in views.values() for place in own}, look):
        run()
    best = {}
    for name, own in views.items():
        seen = {place: indices for place, indices in own.items() if place in called}
        best[name] = {place: indices for place, indices in seen.items() if place.incoming} or seen
        if not best[name]:
            message = f"the training loss runs no layer that makes or reads the channels of `{name}`"
            raise UnsupportedOperationError(message, "Protect the group, or use a criterion of weights, such as l2.")
    return best


@contextmanager
def intercepted(network: nn.Module, places: Collection[Place], look: Look) -> Iterator[None]:
    """Shows what goes into or comes out of some layers to a function, in the forward passes of the block.

    Args:
        network: The network; no hook stays behind.
        places: Where to look.
        look: Takes the place, the layer and the tensor; what it returns, if anything, takes the tensor's place.
    """

    def before(place: Place) -> Callable[..., Any]:
        def hook(layer: nn.Module, args: Any) -> Any:
            found = look(place, layer, args[0]) if args and isinstance(args[0], torch.Tensor) else None
            return None if found is None else (found, *args[1:])

        return hook

    def behind(place: Place) -> Callable[..., Any]:
        def hook(layer: nn.Module, args: Any, output: Any) -> Any:
            del args
            return look(place, layer, output) if isinstance(output, torch.Tensor) else None

        return hook

    handles = []
    try:
        for place in sorted(places):
            layer = network.get_submodule(place.path)
            if place.incoming:
                handles.append(layer.register_forward_pre_hook(before(place)))
            else:
                handles.append(layer.register_forward_hook(behind(place)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _is_called(layer: nn.Module) -> bool:
    """Returns whether a layer runs by itself; of multi-head attention only the weights are used."""
    return isinstance(layer, CHANNEL_LAYERS) and not isinstance(layer, NonDynamicallyQuantizableLinear)


def _indices(slot: ParameterSlot, layer: nn.Module, size: int, *, incoming: bool) -> tuple[tuple[int, ...], ...] | None:
    """Returns each channel's indices on one side of a layer; `None` if its weight does not tell them all."""
    side = ("in_features" if incoming else "out_features", "in_channels" if incoming else "out_channels")
    width = next(int(value) for name in side if isinstance(value := getattr(layer, name, None), int))
    counted = int(layer.weight.shape[slot.dim])  # type: ignore[index]
    if width != counted and not (incoming and width % counted == 0):
        return None
    found: list[list[int]] = [[] for _ in range(size)]
    for start in range(0, width, counted):  # each group of a grouped convolution reads its own part
        for index, channel in zip(slot.indices, slot.channels, strict=True):
            found[channel].append(start + index)
    return tuple(map(tuple, found)) if len({len(own) for own in found}) == 1 else None
