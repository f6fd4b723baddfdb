"""Consistency of traced groups: what does not hold together is pinned, never guessed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup, ParameterSlot


def slot_obstacle(model: nn.Module, slots: Iterable[ParameterSlot], size: int) -> str | None:
    """Returns why the slots cannot be those of a group of `size` channels, or `None`."""
    produced: set[int] = set()
    for slot in slots:
        width = tensor_width(model, slot)
        if max(slot.indices) >= width:
            return f"its channels meet `{slot.tensor}`, which has only {width}"
        if slot.role == "producer":
            produced.update(slot.channels)
    return None if len(produced) == size else "no layer produces some of its channels"


def pin_conflicts(model: nn.Module, groups: list[ChannelGroup]) -> list[ChannelGroup]:
    """Returns the groups, those pinned that claim the same index of a parameter, or a shared parameter."""
    claims = Counter(
        (slot.tensor, slot.dim, index) for group in groups for slot in group.slots for index in slot.indices
    )
    contested = {(tensor, dim) for (tensor, dim, _), count in claims.items() if count > 1}
    shared = _shared_tensors(model)

    def conflict(group: ChannelGroup) -> str | None:
        for slot in group.slots:
            if slot.tensor in shared:
                return f"`{slot.tensor}` is shared by several layers"
            if (slot.tensor, slot.dim) in contested:
                return f"`{slot.tensor}` is claimed twice"
        return None

    return [replace(group, pinned_reason=group.pinned_reason or conflict(group)) for group in groups]


def tensor_width(model: nn.Module, slot: ParameterSlot) -> int:
    """Returns the size of a slot's dimension, or the value of its integer attribute."""
    value = getattr(model.get_submodule(slot.module), slot.parameter)
    return value.shape[slot.dim] if isinstance(value, torch.Tensor) else int(value)


def _shared_tensors(model: nn.Module) -> set[str]:
    """Returns the names of tensors that more than one module owns."""
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            owners.setdefault(id(tensor), []).append(f"{path}.{name}" if path else name)
    return {name for names in owners.values() if len(names) > 1 for name in names}
