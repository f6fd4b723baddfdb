"""Private copies of models: a forward pass may leave anything behind."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from harness.errors import UnsupportedOperationError


def copied(model: nn.Module) -> nn.Module:
    """Returns a deep copy.

    Raises:
        UnsupportedOperationError: The model holds something that cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except (TypeError, RuntimeError) as error:
        message = f"{type(model).__name__} cannot be copied, which pruning needs for its checks: {error}"
        raise UnsupportedOperationError(
            message, "Keep locks, files and tensors with a graph out of the model's attributes."
        ) from error


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
