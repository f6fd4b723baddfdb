"""Training flags that a trace needs, and their exact restoration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from torch import nn

from bench_pruning.channels.layers import MIXING_NORMS, keeps_batch_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@contextmanager
def restored_flags(model: nn.Module) -> Iterator[None]:
    """Puts back every module's `training` at the end.

    The flags are assigned one by one: `train()` and `eval()` may be overridden, as by mmseg's backbones,
    which freeze stages in them.
    """
    modules = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modules:
            module.training = training


@contextmanager
def restored_buffers(model: nn.Module) -> Iterator[None]:
    """Puts back the values of all buffers at the end, e.g. of spectral normalisation, which learns in any forward."""
    before = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


@contextmanager
def unfused() -> Iterator[None]:
    """Makes multi-head attention run operation by operation, so that its products can be seen and counted."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def set_traceable(model: nn.Module) -> None:
    """Lets branches that exist only in training run.

    Normalisation stays in eval mode, so that its statistics do not move and one image is enough; dropout
    does so that the trace draws no random numbers.
    """
    for module in model.modules():
        module.training = not (keeps_batch_statistics(module) or isinstance(module, DROPOUTS))


def set_inference(model: nn.Module) -> None:
    """Puts every module in eval mode, whatever its own `eval()` does."""
    for module in model.modules():
        module.training = False


def is_normalization(module: nn.Module) -> bool:
    """Returns whether a module scales and shifts channels by its weight and bias."""
    return keeps_batch_statistics(module) or isinstance(module, MIXING_NORMS)
