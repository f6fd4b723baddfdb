"""Self-check: a pruned model computes what the dense model does with the same channels zeroed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from bench_pruning.channels import modes
from bench_pruning.channels.copying import copied
from bench_pruning.channels.precision import Promoted
from bench_pruning.channels.recipe import value_of
from bench_pruning.channels.statistics import Recorded, Replayed
from harness.exhaustion import exhausted
from harness.registry.method import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench_pruning.channels.costs import CostModel
    from bench_pruning.channels.groups import ChannelGroup
    from harness.registry.task import Task

NAME = "masked_equals_physical"
COSTS = "predicted_costs_equal_counted"
TOLERANCE_DOUBLE = 1e-9
TOLERANCE = 1e-5
"""Largest difference relative to the largest output; 32-bit rounding stays below 3e-6."""


def verify(
    dense: nn.Module,
    pruned: nn.Module,
    task: Task,
    images: torch.Tensor,
    groups: Sequence[ChannelGroup],
    kept: Mapping[str, list[int]],
) -> Check:
    """Returns whether the surgery removed what was meant to be removed, and nothing else.

    Both models run on copies, in eval mode and on the CPU: accelerators may round 32-bit products. Statistics over
    channels that were pruned are those of the masked model in both.

    Args:
        dense: The model before surgery.
        pruned: The model after surgery.
        task: Its `forward` runs all heads.
        images: Normalised images [N, 3, H, W].
        groups: The groups that were shrunk.
        kept: Kept channels by group name.

    Returns:
        The check; its value is the largest absolute difference of any output, divided by the largest
        absolute value of that output. Where that is too much in 32 bits, 64 bits decide.
    """
    shrunk = [group for group in groups if len(kept[group.name]) < group.size]
    if not shrunk:
        return Check(name=NAME, verdict="not_applicable", detail="no channel was removed")
    masked = copied(dense)
    mask(masked, shrunk, kept)
    try:
        found = _compared(masked, pruned, task, images)
        if found.verdict == "fail" and found.value is not None:
            found = _in_double_precision(masked, pruned, task, images) or found
    except _PrunedModelFails as error:
        detail = f"the pruned model does not run: {error}"
        return Check(name=NAME, verdict="fail", detail=detail)
    return found


class _PrunedModelFails(Exception):
    """The pruned model raised; the text says what."""


def _in_double_precision(masked: nn.Module, pruned: nn.Module, task: Task, images: torch.Tensor) -> Check | None:
    """Returns the comparison in 64 bits, which tells rounding from a wrong index; `None` if a model is not for them."""
    try:
        with Promoted():
            found = _compared(copied(masked).double(), copied(pruned).double(), task, images.double())
    except (RuntimeError, TypeError, ValueError, _PrunedModelFails) as error:
        if exhausted(error):
            raise
        return None
    if found.verdict == "fail" or found.value is None or found.value > TOLERANCE_DOUBLE:
        return None
    detail = "; ".join(filter(None, ["compared in 64 bits, since rounding in 32 is larger than allowed", found.detail]))
    return Check(name=NAME, verdict="pass", detail=detail, value=found.value)


def _compared(masked: nn.Module, pruned: nn.Module, task: Task, images: torch.Tensor) -> Check:
    recorded = Recorded()
    expected = _outputs(copied(masked), task, images, recorded)
    replayed = Replayed(recorded.recording)
    try:
        found = _outputs(copied(pruned), task, images, replayed)
    except Exception as error:
        if exhausted(error):
            raise
        message = f"{type(error).__name__}: {error}"
        raise _PrunedModelFails(message) from error
    if replayed.other:
        detail = f"`{replayed.other[0]}` over pruned channels is taken of other values than in the masked model"
        return Check(name=NAME, verdict="fail", detail=detail)
    return _compare(expected, found, replayed.replayed)


def verify_costs(pruned: nn.Module, macs: int, kept: Mapping[str, int], costs: Mapping[str, CostModel]) -> Check:
    """Returns whether the pruned model has exactly the parameters and MACs that were predicted.

    Args:
        pruned: The model after surgery.
        macs: Its MACs, counted on images of the shape that they were predicted for.
        kept: Number of kept channels by group name.
        costs: The predictions; of them `params` and `macs` are compared.

    Returns:
        The check; its value is the largest difference, a number of parameters or MACs.
    """
    counted = {"params": sum(parameter.numel() for parameter in pruned.parameters()), "macs": macs}
    predicted = {name: costs[name].count(kept) for name in counted}
    difference = max(abs(predicted[name] - counted[name]) for name in counted)
    if difference:
        detail = "; ".join(f"{name}: predicted {predicted[name]}, counted {counted[name]}" for name in counted)
        return Check(name=COSTS, verdict="fail", detail=detail, value=float(difference))
    return Check(name=COSTS, verdict="pass", value=0.0)


@torch.no_grad()
def mask(model: nn.Module, groups: Iterable[ChannelGroup], kept: Mapping[str, list[int]]) -> None:
    """Zeroes, in place, all that makes or reads a removed channel.

    Zeroing the producing filters alone would not do: normalisation turns a zero map into its shift.
    """
    for group in groups:
        staying = frozenset(kept[group.name])
        for slot in group.slots:
            value = value_of(model, slot.tensor)
            if isinstance(value, torch.Tensor) and (isinstance(value, nn.Parameter) or slot.role != "norm"):
                removed = torch.tensor(slot.removed(staying), dtype=torch.long, device=value.device)
                value.index_fill_(slot.dim, removed, 0)


@torch.no_grad()
def _outputs(model: nn.Module, task: Task, images: torch.Tensor, watching: TorchDispatchMode) -> list[torch.Tensor]:
    network = model.cpu()
    modes.set_inference(network)
    with torch.random.fork_rng(devices=[]), watching:
        torch.manual_seed(0)
        return list(task.forward(network, images.cpu()))


def _compare(expected: Sequence[torch.Tensor], found: Sequence[torch.Tensor], replayed: int) -> Check:
    shapes = [tuple(output.shape) for output in expected], [tuple(output.shape) for output in found]
    if shapes[0] != shapes[1]:
        return Check(name=NAME, verdict="fail", detail=f"output shapes changed: {shapes[0]} to {shapes[1]}")
    differences = [_difference(a, b) for a, b in zip(expected, found, strict=True)]
    # `not <=` also fails a difference that is not a number.
    if not all(difference <= TOLERANCE for difference in differences):
        detail = f"outputs differ by {max(differences):.2e} of their largest value; {TOLERANCE:.0e} is allowed"
        return Check(name=NAME, verdict="fail", detail=detail, value=max(differences))
    detail = f"{replayed} statistics over pruned channels were the masked model's in both" if replayed else ""
    return Check(name=NAME, verdict="pass", detail=detail, value=max(differences))


def _difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    if expected.numel() == 0:
        return 0.0
    first, second = (tensor.double() if not tensor.is_complex() else tensor for tensor in (expected, found))
    scale = float(first.abs().max())
    return float((first - second).abs().max()) / (scale or 1.0)
