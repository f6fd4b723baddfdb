"""Bit-for-bit comparison of models and states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from harness.registry import State


def identical(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Returns whether two tensors have the same type, shape and values; NaN equals NaN."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())


def differing(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> list[str]:
    """Returns the names of tensors that only one of two has, or that are not identical."""
    names = sorted({*one, *other})
    return [name for name in names if name not in one or name not in other or not identical(one[name], other[name])]


def differing_states(one: State, other: State) -> list[str]:
    """Returns the names of tensors and of data in which two states differ."""
    names = sorted({*one.data, *other.data}, key=str)
    data = [str(name) for name in names if one.data.get(name) != other.data.get(name)]
    return [*differing(one.tensors, other.tensors), *data]


def shown(names: list[str]) -> str:
    """Returns the first three of some names."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
