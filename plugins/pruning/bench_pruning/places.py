"""Where in a network a channel is a result that can be multiplied: behind which layers gates and masks stand."""

from __future__ import annotations

import weakref
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench_pruning.channels.modes import is_normalization
from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup, ParameterSlot

MAKING = ("producer", "depthwise")
"""Roles of layers whose results are a group's channels."""


@dataclass(frozen=True)
class Places:
    """Behind which layers each group's channels can be multiplied.

    Attributes:
        behind: One slot of each such layer, by the group's name.
        uncalled: One slot of each layer that makes channels without being called, so that nothing can stand behind it:
            of an attention that reads its projections' weights itself. Groups without any are left out.
    """

    behind: dict[str, list[ParameterSlot]]
    uncalled: dict[str, list[ParameterSlot]]


def gate_places(model: nn.Module, groups: Sequence[ChannelGroup], run: Callable[[nn.Module], object]) -> Places:
    """Returns behind which layers the gates of each group belong.

    That is behind every normalisation of the group, and behind each layer that makes its channels, unless its result
    is read by a normalisation of the group alone: in front of one, the gradient of a gate is nearly zero whatever the
    channel is worth, since normalisation undoes any scale. Where something else reads the result too (the identity path
    of a block that begins with its normalisation), there are gates at both.

    Args:
        model: The network.
        groups: The groups.
        run: Runs the network forward; needs no gradients.

    Raises:
        UnsupportedOperationError: A group's channels are made by no layer, but by a parameter of the network's own.
    """
    slots = {group.name: _first_slots(model, group) for group in groups}
    readers = _readers(model, {path for own in slots.values() for path in own}, run)
    places = Places({}, {})
    for name, own in slots.items():
        if not own:
            message = f"the channels of `{name}` are made by no layer that a gate could stand behind"
            raise UnsupportedOperationError(message, "Protect the group, or use a criterion of weights.")
        norms = {path for path in own if is_normalization(model.get_submodule(path))}
        called = {path: slot for path, slot in own.items() if path in readers.called}
        places.behind[name] = [
            slot
            for path, slot in called.items()
            if path in norms or path in readers.elsewhere or not readers.normalizations[path] & norms
        ]
        uncalled = [slot for path, slot in own.items() if path not in called and slot.role in MAKING]
        if uncalled:
            places.uncalled[name] = uncalled
    return places


def _first_slots(model: nn.Module, group: ChannelGroup) -> dict[str, ParameterSlot]:
    """Returns one slot of each layer whose results are the group's channels, by the layer's path."""
    slots: dict[str, ParameterSlot] = {}
    for slot in group.slots:
        made = slot.role in MAKING or is_normalization(model.get_submodule(slot.module))
        if made and slot.module:
            slots.setdefault(slot.module, slot)
    return slots


@dataclass
class _Readers:
    """Who reads what layers return.

    Attributes:
        called: Paths of layers that were called and returned a tensor.
        normalizations: Paths of the normalisations that read a layer's result, by its path.
        elsewhere: Paths of layers whose results something outside of normalisations reads.
    """

    called: set[str] = field(default_factory=set)
    normalizations: Mapping[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    elsewhere: set[str] = field(default_factory=set)


class _Reading(TorchDispatchMode):
    """Notes which layers' results operations read.

    Attributes:
        depth: Of calls of normalisations within each other; what happens in them is not noted.
    """

    def __init__(self, found: _Readers) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.depth = 0
        self._found = found
        self._made: dict[int, tuple[weakref.ref[torch.Tensor], str]] = {}

    def note(self, path: str, output: torch.Tensor) -> None:
        """Notes what a layer returned."""
        self._made[id(output)] = (weakref.ref(output), path)

    def maker(self, value: Any) -> str | None:
        """Returns which layer returned a tensor."""
        reference, path = self._made.get(id(value), (None, None))
        return path if reference is not None and reference() is value else None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation and notes what it reads."""
        del types
        if not self.depth:
            makers = (self.maker(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor))
            self._found.elsewhere.update(path for path in makers if path is not None)
        return func(*args, **(kwargs or {}))


def _readers(model: nn.Module, paths: set[str], run: Callable[[nn.Module], object]) -> _Readers:
    """Returns who reads the results of some layers, in one forward pass."""
    found = _Readers()
    reading = _Reading(found)
    handles = []

    def enter(path: str) -> Callable[..., None]:
        def look(module: nn.Module, args: Any) -> None:
            del module
            reading.depth += 1
            maker = reading.maker(args[0]) if args else None
            if maker is not None:
                found.normalizations[maker].add(path)

        return look

    def leave(module: nn.Module, args: Any, output: Any) -> None:
        del module, args, output
        reading.depth -= 1

    def note(path: str) -> Callable[..., None]:
        def returned(module: nn.Module, args: Any, output: Any) -> None:
            del module, args
            if isinstance(output, torch.Tensor):
                found.called.add(path)
                reading.note(path, output)

        return returned

    try:
        for path, module in model.named_modules():
            if is_normalization(module):
                handles.append(module.register_forward_pre_hook(enter(path)))
                handles.append(module.register_forward_hook(leave))
            if path in paths:
                handles.append(module.register_forward_hook(note(path)))
        with torch.no_grad(), reading:
            run(model)
    finally:
        for handle in handles:
            handle.remove()
    return found
