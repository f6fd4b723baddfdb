"""Physically removes channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench_pruning.channels.layers import synchronize
from bench_pruning.channels.recipe import shape
from harness.errors import ShapeMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

HINT = "The artifact was made from another model; rebuild the one it names."


def apply(model: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Removes channels in place, either from the traced model or from a freshly built one.

    Every shape is checked before anything changes. Parameters become new objects, without gradients, of the
    same type and `requires_grad`; the layers' width attributes follow.

    Args:
        model: A model with the shapes that the recipe was made for.
        recipe: What `bench_pruning.channels.recipe.recipe` returned.

    Raises:
        ShapeMismatchError: The recipe does not fit the model.
    """
    _check(model, recipe)
    for name, dims in recipe["kept"].items():
        path, _, attribute = name.rpartition(".")
        module = model.get_submodule(path)
        value = getattr(module, attribute)
        for dim, indices in dims.items():
            value = _selected(value, int(dim), indices)
        setattr(module, attribute, value)
    for path in {name.rpartition(".")[0] for name in recipe["kept"]}:
        synchronize(model.get_submodule(path))


def _selected(value: torch.Tensor | int, dim: int, indices: list[int]) -> torch.Tensor | int:
    if not isinstance(value, torch.Tensor):
        return len(indices)
    selected = value.detach().index_select(dim, torch.tensor(indices, device=value.device))
    if isinstance(value, nn.Parameter):
        return nn.Parameter(selected, requires_grad=value.requires_grad)
    return selected


def _check(model: nn.Module, recipe: Mapping[str, Any]) -> None:
    for name, dims in recipe["kept"].items():
        expected = recipe["shapes"][name]
        try:
            found = shape(model, name)
        except AttributeError as error:
            message = f"`{name}` is to be pruned from shape {expected}, but the model has no such parameter"
            raise ShapeMismatchError(message, HINT) from error
        if found != expected:
            message = f"`{name}` is to be pruned from shape {expected}, but it has shape {found}"
            raise ShapeMismatchError(message, HINT)
        for dim, indices in dims.items():
            if not indices or min(indices) < 0 or max(indices) >= expected[int(dim)]:
                message = f"the kept indices of `{name}` do not lie in its dimension {dim} of {expected[int(dim)]}"
                raise ShapeMismatchError(message, HINT)
