"""Private copies of models."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from harness.errors import UnsupportedOperationError
from harness.exhaustion import exhausted

if TYPE_CHECKING:
    from torch import nn


def private_copy(model: nn.Module, known: dict[int, Any] | None = None) -> nn.Module:
    """Returns a deep copy.

    Args:
        model: The model.
        known: What the copy has instead of some of the model's objects, by their `id`.

    Raises:
        UnsupportedOperationError: The model holds something that cannot be copied.
    """
    try:
        return copy.deepcopy(model, known)
    except (TypeError, RuntimeError) as error:
        if exhausted(error):
            raise
        message = f"{type(model).__name__} cannot be copied, which compression needs for its checks: {error}"
        raise UnsupportedOperationError(
            message, "Keep locks, files and tensors with a graph out of the model's attributes."
        ) from error
