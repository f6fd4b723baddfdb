"""Weights into a model: all of them, each in its place, or a message that says which do not fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from harness.errors import ShapeMismatchError, UserError

_SHOWN = 3


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Loads `weights` into `model`; nothing may be missing or left over.

    Args:
        model: On any device; changed in place.
        weights: By name, as `model.state_dict()` has them.
        source: Where they come from, for messages.

    Raises:
        ShapeMismatchError: They are those of another model.
    """
    require_fitting(model, weights, source)
    model.load_state_dict(weights, strict=True)


def require_finite(model: nn.Module, weights: Mapping[str, Tensor], source: str) -> None:
    """Looks whether all weights are finite, but for masks that are infinite in the new `model` too.

    Raises:
        UserError: Some of them are not.
    """
    own: dict[str, Tensor] = model.state_dict()
    wrong = [name for name, value in weights.items() if not _finite(value) and (name not in own or _finite(own[name]))]
    if wrong:
        message = f"{source}: {len(wrong)} of {len(weights)} weights are not finite ({_first(wrong)})"
        raise UserError(message, "The training that made them diverged, or the file is damaged: name another one.")


def not_finite(model: nn.Module) -> set[str]:
    """Returns the names of the weights, buffers included, that hold NaN or infinity."""
    return {name for name, value in model.state_dict().items() if not _finite(value)}


def require_fitting(model: nn.Module, given: Mapping[str, Tensor], source: str) -> None:
    """Looks whether the names and shapes of weights are those of `model`.

    Raises:
        ShapeMismatchError: They are not; it names the first three of each sort.
    """
    own: dict[str, Tensor] = model.state_dict()
    missing = [_sized(name, value) for name, value in own.items() if name not in given]
    unexpected = [_sized(name, value) for name, value in given.items() if name not in own]
    other = [
        f"{name} {_shape(given[name])} for {_shape(value)}"
        for name, value in own.items()
        if name in given and given[name].shape != value.shape
    ]
    groups = [("missing", missing), ("unexpected", unexpected), ("of other shape", other)]
    problems = [f"{len(names)} {what} ({_first(names)})" for what, names in groups if names]
    if not problems:
        return
    message = f"{source}: the weights do not fit the model: {', '.join(problems)}"
    if missing or unexpected:
        hint = "It is most likely a checkpoint of another model, or of other options of this one."
    else:
        hint = "It is most likely for another number of classes (see the head's shapes), another width or input size."
    raise ShapeMismatchError(message, hint)


def _finite(value: Tensor) -> bool:
    return bool(torch.isfinite(value).all())


def _sized(name: str, value: Tensor) -> str:
    return f"{name} {_shape(value)}"


def _shape(value: Tensor) -> str:
    return str(list(value.shape))


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
