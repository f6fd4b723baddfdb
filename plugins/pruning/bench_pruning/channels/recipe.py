"""The recipe of a surgery: plain JSON that says which indices of which parameter stay."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup

ENGINE = 2
"""Version of the engine that decides what a recipe holds; 1 knew no attributes and no structure."""

Kept = dict[str, list[int]]
"""Kept channels, ascending, by the name of their group."""


def recipe(model: nn.Module, groups: Iterable[ChannelGroup], kept: Mapping[str, list[int]]) -> dict[str, Any]:
    """Returns what `surgery.apply` needs to remove all channels that are not kept.

    Args:
        model: The model before surgery.
        groups: The groups to shrink.
        kept: Kept channels by group name.

    Returns:
        `engine`: the version above; `structure`: a hash of all names and shapes of the model; `kept`: indices by
        parameter (or buffer) and dimension; `shapes`: their shapes before; `attributes`: [before, after] of integers
        that count channels and that forward passes read. What loses nothing is not mentioned.
    """
    removed: dict[str, dict[int, set[int]]] = {}
    for group in groups:
        staying = frozenset(kept[group.name])
        for slot in group.slots:
            indices = slot.removed(staying)
            if indices:
                removed.setdefault(slot.tensor, {}).setdefault(slot.dim, set()).update(indices)
    found = {name: value_of(model, name) for name in removed}
    shapes = {name: list(value.shape) for name, value in found.items() if isinstance(value, torch.Tensor)}
    return {
        "engine": ENGINE,
        "structure": structure(model),
        "kept": {
            name: {str(dim): [i for i in range(shapes[name][dim]) if i not in gone] for dim, gone in dims.items()}
            for name, dims in removed.items()
            if name in shapes
        },
        "shapes": shapes,
        "attributes": {
            name: [int(value), int(value) - len(removed[name][0])]
            for name, value in found.items()
            if not isinstance(value, torch.Tensor)
        },
    }


def structure(model: nn.Module) -> str:
    """Returns the SHA-256 of the names and shapes of all parameters and buffers of a model."""
    tensors = [*model.named_parameters(), *model.named_buffers()]
    return hashlib.sha256(json.dumps([[name, list(tensor.shape)] for name, tensor in tensors]).encode()).hexdigest()


def place_of(model: nn.Module, name: str) -> tuple[nn.Module, str, int | None]:
    """Returns the module, attribute and, for `path.widths[1]`, the entry of the list that a name stands for.

    Raises:
        AttributeError: The model has no such module.
    """
    plain, _, entry = name.removesuffix("]").partition("[")
    path, _, attribute = plain.rpartition(".")
    return model.get_submodule(path), attribute, int(entry) if entry else None


def value_of(model: nn.Module, name: str) -> torch.Tensor | int:
    """Returns a parameter, a buffer or an integer attribute.

    Raises:
        AttributeError: The model has nothing of that name.
    """
    module, attribute, entry = place_of(model, name)
    value = getattr(module, attribute)
    if entry is not None:
        value = value[entry]
    if not isinstance(value, (torch.Tensor, int)) or isinstance(value, bool):
        message = f"`{name}` is a {type(value).__name__}"
        raise AttributeError(message)
    return value
