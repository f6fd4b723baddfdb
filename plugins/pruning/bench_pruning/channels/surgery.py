"""Physically removes channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench_pruning.channels.layers import synchronize
from bench_pruning.channels.recipe import place_of, structure, value_of
from harness.errors import ShapeMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

HINT = "The artifact was made from another model; rebuild the one it names."


def apply(model: nn.Module, recipe: Mapping[str, Any]) -> None:
    """Removes channels in place, either from the traced model or from a freshly built one.

    Everything is checked before anything changes. Parameters become new objects, without gradients, of the
    same type and `requires_grad`: make optimisers and averages afterwards. The layers' width attributes follow.

    Args:
        model: A model with the shapes that the recipe was made for.
        recipe: What `bench_pruning.channels.recipe.recipe` returned, in this version of the engine or an older one.

    Raises:
        ShapeMismatchError: The recipe does not fit the model.
    """
    attributes = recipe.get("attributes", {})
    _check(model, recipe, attributes)
    for name, dims in recipe["kept"].items():
        module, attribute, _ = place_of(model, name)
        value = value_of(model, name)
        for dim, indices in dims.items():
            value = _selected(value, int(dim), indices)
        setattr(module, attribute, value)
    for name, (_, after) in attributes.items():
        module, attribute, entry = place_of(model, name)
        if entry is None:
            setattr(module, attribute, after)
        else:
            getattr(module, attribute)[entry] = after
    for path in {name.rpartition(".")[0] for name in recipe["kept"]}:
        synchronize(model.get_submodule(path))


def _selected(value: torch.Tensor | int, dim: int, indices: list[int]) -> torch.Tensor | int:
    if not isinstance(value, torch.Tensor):
        # Recipes of the first version count an attribute's channels like a vector's.
        return len(indices)
    selected = value.detach().index_select(dim, torch.tensor(indices, device=value.device))
    if isinstance(value, nn.Parameter):
        return nn.Parameter(selected, requires_grad=value.requires_grad)
    return selected


def _check(model: nn.Module, recipe: Mapping[str, Any], attributes: Mapping[str, list[int]]) -> None:
    expected = {**recipe["shapes"], **{name: [before] for name, (before, _) in attributes.items()}}
    for name, wanted in expected.items():
        found = _shape(model, name)
        if found != wanted:
            what = "the model has no such parameter" if found is None else f"it has shape {found}"
            message = f"`{name}` is to be pruned from shape {wanted}, but {what}"
            raise ShapeMismatchError(message, HINT)
    for name, dims in recipe["kept"].items():
        for dim, indices in dims.items():
            size = expected[name][int(dim)]
            if not indices or min(indices) < 0 or max(indices) >= size:
                message = f"the kept indices of `{name}` do not lie in its dimension {dim} of {size}"
                raise ShapeMismatchError(message, HINT)
    if "structure" in recipe and recipe["structure"] != structure(model):
        message = (
            "what is to be pruned fits, but other layers of the model differ from those that the recipe was made for"
        )
        raise ShapeMismatchError(message, HINT)


def _shape(model: nn.Module, name: str) -> list[int] | None:
    try:
        value = value_of(model, name)
    except AttributeError:
        return None
    return list(value.shape) if isinstance(value, torch.Tensor) else [value]
