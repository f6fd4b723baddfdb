"""Self-check: a pruned model computes what the dense model does with the same channels zeroed."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from bench_pruning.channels.layers import MIXING_NORMS
from harness.registry.method import Check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench_pruning.channels.groups import ChannelGroup
    from harness.registry.task import Task

NAME = "masked_equals_physical"
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

    Both models run on copies, in eval mode and on the CPU: accelerators may round 32-bit products.

    Args:
        dense: The model before surgery.
        pruned: The model after surgery.
        task: Its `forward` runs all heads.
        images: Normalised images [N, 3, H, W].
        groups: The groups that were shrunk.
        kept: Kept channels by group name.

    Returns:
        The check; its value is the largest absolute difference of any output, divided by the largest
        absolute value of that output.
    """
    shrunk = [group for group in groups if len(kept[group.name]) < group.size]
    if not shrunk:
        return Check(name=NAME, verdict="not_applicable", detail="no channel was removed")
    norm = _mixing_norm(dense, shrunk)
    if norm is not None:
        detail = f"`{norm}` normalises over several channels, so removing some changes the others"
        return Check(name=NAME, verdict="not_applicable", detail=detail)
    masked = copy.deepcopy(dense)
    mask(masked, shrunk, kept)
    expected = _outputs(masked, task, images)
    del masked
    try:
        found = _outputs(copy.deepcopy(pruned), task, images)
    except Exception as error:
        detail = f"the pruned model does not run: {type(error).__name__}: {error}"
        return Check(name=NAME, verdict="fail", detail=detail)
    return _compare(expected, found)


@torch.no_grad()
def mask(model: nn.Module, groups: Iterable[ChannelGroup], kept: Mapping[str, list[int]]) -> None:
    """Zeroes, in place, all that makes or reads a removed channel.

    Zeroing the producing filters alone would not do: normalisation turns a zero map into its shift.
    """
    for group in groups:
        staying = frozenset(kept[group.name])
        for slot in group.slots:
            value = getattr(model.get_submodule(slot.module), slot.parameter)
            if isinstance(value, nn.Parameter):
                removed = torch.tensor(slot.removed(staying), dtype=torch.long, device=value.device)
                value.index_fill_(slot.dim, removed, 0)


def _mixing_norm(model: nn.Module, groups: Iterable[ChannelGroup]) -> str | None:
    paths = (slot.module for group in groups for slot in group.slots)
    return next((path for path in paths if isinstance(model.get_submodule(path), MIXING_NORMS)), None)


@torch.no_grad()
def _outputs(model: nn.Module, task: Task, images: torch.Tensor) -> list[torch.Tensor]:
    return list(task.forward(model.cpu().eval(), images.cpu()))


def _compare(expected: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> Check:
    shapes = [tuple(output.shape) for output in expected], [tuple(output.shape) for output in found]
    if shapes[0] != shapes[1]:
        return Check(name=NAME, verdict="fail", detail=f"output shapes changed: {shapes[0]} to {shapes[1]}")
    differences = [_difference(a, b) for a, b in zip(expected, found, strict=True)]
    # `not <=` also fails a difference that is not a number.
    if not all(difference <= TOLERANCE for difference in differences):
        detail = f"outputs differ by {max(differences):.2e} of their largest value; {TOLERANCE:.0e} is allowed"
        return Check(name=NAME, verdict="fail", detail=detail, value=max(differences))
    return Check(name=NAME, verdict="pass", value=max(differences))


def _difference(expected: torch.Tensor, found: torch.Tensor) -> float:
    scale = float(expected.abs().max())
    return float((expected - found).abs().max()) / (scale or 1.0)
