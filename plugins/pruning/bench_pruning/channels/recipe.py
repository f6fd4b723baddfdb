"""The recipe of a surgery: plain JSON that says which indices of which parameter stay."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup

Kept = dict[str, list[int]]
"""Kept channels, ascending, by the name of their group."""


def recipe(model: nn.Module, groups: Iterable[ChannelGroup], kept: Mapping[str, list[int]]) -> dict[str, Any]:
    """Returns what `surgery.apply` needs to remove all channels that are not kept.

    Args:
        model: The model before surgery.
        groups: The groups to shrink.
        kept: Kept channels by group name.

    Returns:
        `{"kept": {parameter: {dimension: indices}}, "shapes": {parameter: shape before}}`; parameters that
        lose nothing are not mentioned.
    """
    removed: dict[str, dict[int, set[int]]] = {}
    for group in groups:
        staying = frozenset(kept[group.name])
        for slot in group.slots:
            indices = slot.removed(staying)
            if indices:
                removed.setdefault(slot.tensor, {}).setdefault(slot.dim, set()).update(indices)
    shapes = {name: shape(model, name) for name in removed}
    return {
        "kept": {
            name: {str(dim): [i for i in range(shapes[name][dim]) if i not in gone] for dim, gone in dims.items()}
            for name, dims in removed.items()
        },
        "shapes": shapes,
    }


def shape(model: nn.Module, name: str) -> list[int]:
    """Returns the shape of a parameter or buffer; an integer attribute counts as a vector's length.

    Raises:
        AttributeError: The model has nothing of that name.
    """
    module, _, attribute = name.rpartition(".")
    value = getattr(model.get_submodule(module), attribute)
    return list(value.shape) if isinstance(value, torch.Tensor) else [int(value)]
