"""Physically removes channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from bench_pruning.channels.copying import copied
from bench_pruning.channels.layers import synchronize
from bench_pruning.channels.payload import Payload, read_payload
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
        ShapeMismatchError: The recipe is none, or does not fit the model.
    """
    payload = read_payload(recipe)
    _check(model, payload)
    for name, dims in payload.kept.items():
        module, attribute, _ = place_of(model, name)
        value = value_of(model, name)
        for dim, indices in dims.items():
            value = _selected(value, dim, indices)
        setattr(module, attribute, value)
    for name, (_, after) in payload.attributes.items():
        module, attribute, entry = place_of(model, name)
        if entry is None:
            setattr(module, attribute, after)
        else:
            getattr(module, attribute)[entry] = after
    for path in {name.rpartition(".")[0] for name in payload.kept}:
        synchronize(model.get_submodule(path))


def pruned(model: nn.Module, recipe: Mapping[str, Any]) -> nn.Module:
    """Returns a copy without the channels that a recipe removes; the model stays as it is.

    What goes is never copied.

    Args:
        model: A model with the shapes that the recipe was made for.
        recipe: As for `apply`.

    Raises:
        ShapeMismatchError: The recipe is none, or does not fit the model.
        UnsupportedOperationError: The model holds something that cannot be copied.
    """
    smaller = copied(model, sharing=True)
    lent = set(smaller.parameters())
    apply(smaller, recipe)
    for parameter in lent.intersection(smaller.parameters()):
        parameter.data = parameter.data.clone()
    return smaller


def _selected(value: torch.Tensor | int, dim: int, indices: list[int]) -> torch.Tensor | int:
    if not isinstance(value, torch.Tensor):
        # Recipes of the first version count an attribute's channels like a vector's.
        return len(indices)
    selected = value.detach().index_select(dim, torch.tensor(indices, device=value.device))
    if isinstance(value, nn.Parameter):
        return nn.Parameter(selected, requires_grad=value.requires_grad)
    return selected


def _check(model: nn.Module, payload: Payload) -> None:
    expected = {**payload.shapes, **{name: [before] for name, (before, _) in payload.attributes.items()}}
    for name, wanted in expected.items():
        found = _shape(model, name)
        if found != wanted:
            what = "the model has no such parameter" if found is None else f"it has shape {found}"
            message = f"`{name}` is to be pruned from shape {wanted}, but {what}"
            raise ShapeMismatchError(message, HINT)
    if payload.structure is not None and payload.structure != structure(model):
        message = "what is to be pruned fits, but other layers differ from those of the model that the recipe is for"
        raise ShapeMismatchError(message, HINT)


def _shape(model: nn.Module, name: str) -> list[int] | None:
    try:
        value = value_of(model, name)
    except (AttributeError, IndexError, TypeError, ValueError):
        return None
    return list(value.shape) if isinstance(value, torch.Tensor) else [value]
