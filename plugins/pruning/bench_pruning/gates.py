"""Gates: factors of one behind layers, whose gradients say what each channel is worth to the loss.

Source: Molchanov et al., Importance Estimation for Neural Network Pruning (CVPR 2019), section 3.2.
"""

from __future__ import annotations

import weakref
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench_pruning.channels.modes import is_normalization
from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from bench_pruning.channels.groups import ChannelGroup, ParameterSlot

CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)


class Gates:
    """The gates of one forward pass: one for each sample and channel of each call of a layer."""

    def __init__(self) -> None:
        self._calls: dict[str, list[torch.Tensor]] = defaultdict(list)

    def add(self, path: str, gate: torch.Tensor) -> None:
        """Notes the gate [N, C] of a call."""
        self._calls[path].append(gate)

    def gradients(self, path: str) -> list[torch.Tensor]:
        """Returns dL/dz of each call of a layer, [N, C] each; a call that the loss does not hang on is left out."""
        return [gate.grad for gate in self._calls[path] if gate.grad is not None]


@contextmanager
def gated(model: nn.Module, paths: Collection[str]) -> Iterator[Gates]:
    """Puts a gate behind each of some layers, for the forward passes in the block.

    Args:
        model: The network; nothing stays behind.
        paths: Convolutions, linear layers and normalisations whose result is one tensor.
    """
    gates, handles = Gates(), []

    def hook(path: str) -> Callable[..., torch.Tensor | None]:
        def multiply(module: nn.Module, args: Any, output: Any) -> torch.Tensor | None:
            del args
            if not isinstance(output, torch.Tensor) or not torch.is_grad_enabled():
                return None
            dim = channel_dimension(module, output)
            gate = torch.ones(output.shape[0], output.shape[dim], dtype=output.dtype, device=output.device)
            gates.add(path, gate.requires_grad_())
            shape = [1] * output.dim()
            shape[0], shape[dim] = gate.shape
            return output * gate.view(shape)

        return multiply

    try:
        for path in paths:
            handles.append(model.get_submodule(path).register_forward_hook(hook(path)))
        yield gates
    finally:
        for handle in handles:
            handle.remove()


def gate_places(
    model: nn.Module, groups: Sequence[ChannelGroup], run: Callable[[nn.Module], object]
) -> dict[str, list[ParameterSlot]]:
    """Returns behind which layers the gates of each group belong, as the slots of these layers' channels.

    That is behind every normalisation of the group, and behind each layer that makes its channels and whose result no
    normalisation of the group reads: in front of one, the gradient of a gate is nearly zero whatever the channel is
    worth, since normalisation undoes any scale.

    Args:
        model: The network.
        groups: The groups.
        run: Runs the network forward; needs no gradients.

    Raises:
        UnsupportedOperationError: A group's channels are made by no layer, but by a parameter of the network's own.
    """
    normed = _read_by_normalization(model, run)
    places = {}
    for group in groups:
        slots = _first_slots(model, group)
        norms = {path for path in slots if is_normalization(model.get_submodule(path))}
        found = [slot for path, slot in slots.items() if path in norms or not normed.get(path, set()) & norms]
        if not found:
            message = f"the channels of `{group.name}` are made by no layer that a gate could stand behind"
            raise UnsupportedOperationError(message, "Use variant=weight, or protect the group.")
        places[group.name] = found
    return places


def channel_dimension(module: nn.Module, output: torch.Tensor) -> int:
    """Returns the dimension of a layer's result that its channels are.

    A layer normalisation of another package may run over dimension 1 of maps, as ConvNeXt's does.
    """
    if isinstance(module, nn.LayerNorm) and type(module).forward is not nn.LayerNorm.forward:
        width = module.normalized_shape[-1]  # a tuple of integers, whatever its annotation
        if output.dim() == 4 and output.shape[1] == width:  # noqa: PLR2004 - [N, C, H, W]
            return 1
    return output.dim() - 1 if isinstance(module, CHANNELS_LAST) else 1


def _first_slots(model: nn.Module, group: ChannelGroup) -> dict[str, ParameterSlot]:
    """Returns one slot of each layer whose results are the group's channels, by the layer's path."""
    slots: dict[str, ParameterSlot] = {}
    for slot in group.slots:
        made = slot.role in ("producer", "depthwise") or is_normalization(model.get_submodule(slot.module))
        if made and slot.module:
            slots.setdefault(slot.module, slot)
    return slots


def _read_by_normalization(model: nn.Module, run: Callable[[nn.Module], object]) -> dict[str, set[str]]:
    """Returns which normalisations read what each layer made, in one forward pass."""
    made: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}
    found: dict[str, set[str]] = defaultdict(set)
    handles = []

    def enter(path: str) -> Callable[..., None]:
        def look(module: nn.Module, args: Any) -> None:
            del module
            reference, maker = made.get(id(args[0]), (None, "")) if args else (None, "")
            if reference is not None and reference() is args[0]:
                found[maker].add(path)

        return look

    def leave(path: str) -> Callable[..., None]:
        def note(module: nn.Module, args: Any, output: Any) -> None:
            del module, args
            if isinstance(output, torch.Tensor):
                made[id(output)] = (weakref.ref(output), path)

        return note

    try:
        for path, module in model.named_modules():
            if is_normalization(module):
                handles.append(module.register_forward_pre_hook(enter(path)))
            elif not list(module.children()):
                handles.append(module.register_forward_hook(leave(path)))
        with torch.no_grad():
            run(model)
    finally:
        for handle in handles:
            handle.remove()
    return dict(found)
