"""Activations that are computed again in the backward pass instead of kept: less memory for more time.

mmengine's own switch lets batch normalisation count each batch twice, which changes the network that is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import wraps
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint

from harness.errors import UserError


@contextmanager
def checkpointed(model: nn.Module, names: Sequence[str]) -> Iterator[None]:
    """Lets the named modules of `model` keep nothing but their inputs; results are the same as without.

    Args:
        model: The network.
        names: Names of modules, e.g. `backbone.layer1`.

    Raises:
        UserError: The network has no such module.
    """
    modules = [_module(model, name) for name in dict.fromkeys(names)]
    own = [vars(module).get("forward") for module in modules]  # where it is not the class's
    for module in modules:
        module.forward = _wrapped(module)
    try:
        yield
    finally:
        for module, forward in zip(modules, own, strict=True):
            del module.forward
            if forward is not None:
                module.forward = forward


def _module(model: nn.Module, name: str) -> nn.Module:
    try:
        return model.get_submodule(name)
    except AttributeError as error:
        known = ", ".join(f"{parent}.{child}" for parent, part in model.named_children() for child in _children(part))
        message = f"activation_checkpointing: the network has no module {name!r}"
        raise UserError(message, f"Its larger modules are: {known}.") from error


def _children(module: nn.Module) -> list[str]:
    return [name for name, child in module.named_children() if any(True for _ in child.parameters())]


def _wrapped(module: nn.Module) -> Callable[..., Any]:
    forward = module.forward

    @wraps(forward)
    def again(*arguments: Any, **named: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*arguments, **named)
        contexts = lambda: (nullcontext(), _statistics_kept(module))  # noqa: E731 - torch asks for a function
        return checkpoint(forward, *arguments, use_reentrant=False, context_fn=contexts, **named)

    return again


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """Lets batch normalisation see a batch a second time without counting it."""
    norms = [part for part in module.modules() if isinstance(part, _NormBase) and part.training]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0  # the same operations on the same tensors as before, as torch demands
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None:
                norm.num_batches_tracked.sub_(1)
