"""Finds a model's channel groups by following labels through its forward passes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch

from bench_pruning.advice import NOT_THE_COPY, OWN_FAULT, WAYS_ON
from bench_pruning.channels import layers, modes
from bench_pruning.channels.copying import Lent, copied, restored_randomness
from bench_pruning.channels.failing import told
from bench_pruning.channels.flow import ChannelFlow
from bench_pruning.channels.grouping import groups_of
from bench_pruning.channels.groups import Trace
from bench_pruning.channels.rules.modules import installed_rules
from bench_pruning.channels.watching import watched
from bench_pruning.protection import protected_around
from harness.errors import BenchError, TraceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from harness.registry.task import Task

OUTPUT = "it reaches an output of the network"
SHARED = "its parameter is shared by several layers"
PASSED_ON = (BenchError, torch.cuda.OutOfMemoryError, MemoryError)
"""Errors that say more than that the trace failed."""


def trace(model: nn.Module, task: Task, images: torch.Tensor) -> Trace:
    """Returns the channel groups of a model.

    The model's flags, hooks, weights and random state are afterwards what they were.

    Args:
        model: The network.
        task: Its `forward` runs all heads, auxiliary ones included; `predict` what inference computes.
        images: Normalised images [N, 3, H, W].

    Raises:
        TraceError: A forward pass fails.
    """
    return traced(model, follow(model, task, images))


def follow(
    model: nn.Module,
    task: Task,
    images: torch.Tensor,
    protect: Sequence[str] = (),
    unfollowed: frozenset[str] = frozenset(),
) -> ChannelFlow:
    """Returns the labels of a model after its forward passes, in training and for inference.

    A copy on the CPU is followed: a forward pass may leave anything behind, and operations that have an
    implementation for an accelerator of their own would hide what they do. On the CPU it shares the model's
    parameters; what is written to them is undone.

    Args:
        model: The network.
        task: Its `forward` runs all heads, auxiliary ones included; `predict` what inference computes.
        images: Normalised images [N, 3, H, W].
        protect: Layers that stay whole, so that those which cannot be followed need not be.
        unfollowed: Paths of such layers, if they are known.

    Raises:
        TraceError: A forward pass of the copy fails.
        UnsupportedOperationError: The model cannot be copied.
    """
    network = copied(model, sharing=True).cpu()
    flow, lent = ChannelFlow(network), Lent(network)
    samples = images.cpu()
    with restored_randomness():
        try:
            modes.set_traceable(network)
            with watched(network, flow, lent, unfollowed):
                outputs = list(task.forward(network, samples))
            _pin_outputs(flow, outputs)
            modes.set_inference(network)
            flow.counting = True
            with watched(network, flow, lent, unfollowed):
                outputs = [task.predict(network, samples)]
            _pin_outputs(flow, outputs)
        except PASSED_ON:
            raise
        except Exception as error:
            left_alone = protected_around(flow.path, protect)
            if left_alone and left_alone not in unfollowed:
                return follow(model, task, images, protect, unfollowed | {left_alone})
            where = f"`{flow.path}`" if flow.path else type(model).__name__
            message = f"the forward pass failed in {where} while tracing: {told(error, flow.arguments)}"
            raise TraceError(message, _way_on(model, task, images)) from error
    _pin_shared(network, flow)
    return flow


def traced(model: nn.Module, flow: ChannelFlow, notes: Iterable[str] = ()) -> Trace:
    """Returns the groups that labels make, and the layers that have none."""
    groups, macs = groups_of(model, flow)
    used = {name for name, _ in flow.parameters}
    unreached = [
        path
        for path, module in model.named_modules()
        if isinstance(module, layers.CHANNEL_LAYERS) and not _is_used(path, module, used)
    ]
    return Trace(groups=groups, unreached=tuple(unreached), macs=macs, notes=(*installed_rules().notes, *notes))


def _way_on(model: nn.Module, task: Task, images: torch.Tensor) -> str:
    """Returns what a person can do about a trace that failed: it depends on what runs when nobody watches."""
    if _runs(copied(model).cpu(), task, images.cpu()):
        return WAYS_ON
    with modes.restored_flags(model), modes.restored_buffers(model):
        return NOT_THE_COPY if _runs(model, task, images) else OWN_FAULT


@torch.no_grad()
def _runs(network: nn.Module, task: Task, images: torch.Tensor) -> bool:
    """Whether what is traced runs when nobody watches."""
    try:
        modes.set_traceable(network)
        task.forward(network, images)
        modes.set_inference(network)
        task.predict(network, images)
    except PASSED_ON:
        raise
    except Exception:
        return False
    return True


def _pin_outputs(flow: ChannelFlow, outputs: Sequence[torch.Tensor]) -> None:
    for output in outputs:
        flow.pin(flow.labels(output), OUTPUT)


def _pin_shared(model: nn.Module, flow: ChannelFlow) -> None:
    """Pins parameters that more than one module owns: surgery would part them."""
    owners: dict[int, list[str]] = {}
    for path, module in model.named_modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            owners.setdefault(id(tensor), []).append(f"{path}.{name}" if path else name)
    shared = {name for names in owners.values() if len(names) > 1 for name in names}
    for (name, _), ids in flow.parameters.items():
        if name in shared:
            flow.classes.pin(ids, SHARED)


def _is_used(path: str, module: nn.Module, used: set[str]) -> bool:
    prefix = f"{path}." if path else ""
    return any(f"{prefix}{name}" in used for name, _ in module.named_parameters())
