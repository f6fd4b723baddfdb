"""Private copies of models: a forward pass may leave anything behind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from harness.registry.copying import private_copy


def copied(model: nn.Module, *, sharing: bool = False) -> nn.Module:
    """Returns a deep copy.

    Args:
        model: The model.
        sharing: Whether the copy's parameters are new objects with the memory of the model's, to be read only or within
            `Lent`. Buffers are always copied.

    Raises:
        UnsupportedOperationError: The model holds something that cannot be copied.
    """
    lent = [parameter for parameter in model.parameters() if sharing and type(parameter) is nn.Parameter]
    known = {id(each): nn.Parameter(each.detach(), requires_grad=each.requires_grad) for each in lent}
    return private_copy(model, dict(known))


class Lent:
    """Parameters that a copy shares with its model: what is about to be written to is saved, and put back.

    Forward passes seldom write to parameters, so that hardly ever anything is saved. What no operation of torch writes
    (NumPy through a view of the memory) is not seen.

    Args:
        model: Whose parameters they are.
    """

    def __init__(self, model: nn.Module) -> None:
        self._values: dict[int, list[torch.Tensor]] = {}
        for parameter in model.parameters():
            self._values.setdefault(_memory(parameter), []).append(parameter.detach())
        self._saved: dict[int, list[torch.Tensor]] = {}

    def save(self, tensor: torch.Tensor) -> None:
        """Saves the parameters that share memory with a tensor, the first time."""
        memory = _memory(tensor)
        if memory in self._values and memory not in self._saved:
            self._saved[memory] = [value.clone() for value in self._values[memory]]

    def restore(self) -> None:
        """Gives the parameters the values that they had."""
        for memory, saved in self._saved.items():
            for value, before in zip(self._values[memory], saved, strict=True):
                value.copy_(before)
        self._saved.clear()


def _memory(tensor: torch.Tensor) -> int:
    """Returns what tensors that share memory have in common; a sparse or an empty one shares nothing."""
    return (tensor.untyped_storage().data_ptr() if tensor.layout == torch.strided else 0) or id(tensor)


@contextmanager
def restored_randomness(seed: int | None = None, devices: list[torch.device] | None = None) -> Iterator[None]:
    """Puts back the random states of Python, numpy and torch at the end, and seeds them first where asked to."""
    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=devices or []):
        if seed is not None:
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
