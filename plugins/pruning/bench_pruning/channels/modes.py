"""Training flags that a trace needs, and their exact restoration."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from torch import nn

from bench_pruning.channels.layers import keeps_batch_statistics

if TYPE_CHECKING:
    from collections.abc import Iterator

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout)


@contextmanager
def restored_flags(model: nn.Module) -> Iterator[None]:
    """Puts back every module's `training` and every parameter's `requires_grad` at the end.

    The flags are assigned one by one: `train()` and `eval()` may be overridden, as by mmseg's backbones,
    which freeze stages in them.
    """
    modules = [(module, module.training) for module in model.modules()]
    parameters = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        yield
    finally:
        for module, training in modules:
            module.training = training
        for parameter, requires_grad in parameters:
            parameter.requires_grad_(requires_grad)


def set_traceable(model: nn.Module) -> None:
    """Lets branches that exist only in training run, on a graph that reaches every parameter.

    Normalisation stays in eval mode, so that its statistics do not move and one image is enough; dropout
    does so that the trace draws no random numbers.
    """
    for module in model.modules():
        module.training = not (keeps_batch_statistics(module) or isinstance(module, DROPOUTS))
    for parameter in model.parameters():
        parameter.requires_grad_(parameter.is_floating_point())
