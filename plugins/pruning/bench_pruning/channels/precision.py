"""64 bits for models that make tensors of 32 bits themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map


class Promoted(TorchDispatchMode):
    """Gives operations that read tensors of 64 and of 32 bits all of them in 64.

    A position code that a network computes in 32 bits would otherwise stop a layer whose weights have 64. What an
    operation writes to keeps its type.
    """

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation in the precision of its most precise argument."""
        del types
        given = kwargs or {}
        read = [leaf.dtype for leaf in tree_leaves((args, given)) if isinstance(leaf, torch.Tensor)]
        if torch.float64 in read and torch.float32 in read and not func._schema.is_mutable:
            args, given = tree_map(_doubled, (args, given))
        return func(*args, **given)


def _doubled(value: Any) -> Any:
    return value.double() if isinstance(value, torch.Tensor) and value.dtype == torch.float32 else value
