"""Re-estimates the statistics of batch normalisation: without some channels, those that follow see other values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from bench_pruning.channels import modes
from bench_pruning.channels.copying import restored_randomness

if TYPE_CHECKING:
    from harness.registry.context import Context
    from harness.registry.task import Batch


def recalibrate(model: nn.Module, context: Context, samples: int) -> int:
    """Replaces the running statistics of all batch normalisation by those of calibration images.

    The training loss runs forward, without gradients. Each layer normalises by its batch, as in training, and averages
    the mean and the unbiased variance of all its calls with equal weights, whatever the size of a batch (torch's
    `momentum=None`). `num_batches_tracked` becomes the number of these calls.

    * Layers that their owner keeps frozen in eval mode are re-estimated too: what they see has changed as well.
    * A layer that no batch reaches keeps its statistics. So it does in a call with a single value per channel (global
      pooling of one image), which has no variance: there it normalises by the statistics that it has by then.
    * Training branches run. Dropout and all else that has no parts of its own is in eval mode.

    Weights, flags, momentum, other buffers and the random state are afterwards what they were. If a batch fails, so
    are the statistics.

    Args:
        model: The pruned model, changed in place.
        context: The door to the training images and the task's loss.
        samples: How many images.

    Returns:
        How many images were used; 0 if the model has no running statistics.
    """
    layers = [module for module in model.modules() if _has_statistics(module)]
    used = 0
    if not layers:
        return used
    with (
        _restored_buffers(model, layers),
        modes.restored_flags(model),
        restored_randomness(context.seed, _devices(context)),
        _collecting(layers),
    ):
        _set_modes(model)
        for batch in context.calibration_batches(samples):
            with torch.no_grad():
                context.loss(model, batch)
            used += _count(batch)
            context.progress(min(used, samples), samples, "batch normalisation")
    return used


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _BatchNorm) and module.running_mean is not None


def _set_modes(model: nn.Module) -> None:
    for module in model.modules():
        attends = isinstance(module, nn.MultiheadAttention)  # which drops out by itself
        module.training = any(True for _ in module.children()) and not attends


@contextmanager
def _collecting(layers: list[nn.Module]) -> Iterator[None]:
    """Lets each layer average the statistics of its calls in the block."""
    collect = _collector()
    handles = [layer.register_forward_pre_hook(collect, with_kwargs=True) for layer in layers]
    momenta = [(layer, layer.momentum) for layer in layers]
    try:
        for layer, _ in momenta:
            layer.momentum = None  # type: ignore[assignment]  # torch's word for an average
        yield
    finally:
        for layer, momentum in momenta:
            layer.momentum = momentum
        for handle in handles:
            handle.remove()


def _collector() -> Callable[..., None]:
    """Returns a hook that forgets a layer's old statistics at the first call that gives new ones."""
    reached: set[nn.Module] = set()

    def collect(layer: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        values: torch.Tensor = args[0] if args else kwargs["input"]
        layer.training = values.numel() > values.shape[1]
        if layer.training and layer not in reached:
            reached.add(layer)
            layer.reset_running_stats()

    return collect


@contextmanager
def _restored_buffers(model: nn.Module, layers: list[nn.Module]) -> Iterator[None]:
    """Puts back what buffers held, those of `layers` only after an error."""
    saved = [
        (module, name, buffer, buffer.clone())
        for module in model.modules()
        for name, buffer in module.named_buffers(recurse=False)
    ]
    kept: set[nn.Module] = set()
    try:
        yield
        kept.update(layers)
    finally:
        with torch.no_grad():
            for module, name, buffer, value in saved:
                if module not in kept:
                    setattr(module, name, buffer.copy_(value))


def _devices(context: Context) -> list[torch.device]:
    return [context.device] if context.device.type == "cuda" else []


def _count(batch: Batch) -> int:
    return len(batch["inputs"] if isinstance(batch, Mapping) else batch)
