"""Prunes a one-op network for several random choices of channels, and compares it with what is right.

What is right is found without the engine's knowledge of which layers read a channel:

* `silenced_sources`: in the dense network everything that *makes* a removed channel is zeroed (filters, biases,
  normalisation, bare parameters), nothing that reads it. Right for operations that make zeros of zeros.
* `cut_by_hand`: every dimension of a parameter as long as the subject keeps the channels that the subject kept. Right
  also where a statistic is taken over channels: the others change when one goes, and so they do here.

Both run in double precision, so that rounding hides nothing.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from one_op_case import Case, images, shaken
from pruning_fakes import FakeTask
from torch import nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from bench_pruning.channels import surgery
from bench_pruning.channels.groups import ChannelGroup, Trace
from bench_pruning.channels.recipe import recipe
from bench_pruning.channels.trial import tried_trace
from bench_pruning.channels.verification import verify
from harness.errors import TraceError
from harness.registry.method import Check

TOLERANCE = 1e-9
"""Of the largest output, in double precision."""


@dataclass
class Finding:
    """What became of a network.

    Attributes:
        outcome: As in `one_op_case.Outcome`.
        size: How many channels or sets of channels of the subject can be removed one by one.
        reason: Why it is pinned, mixing or refused; empty otherwise.
        value: Largest difference from what is right, relative to the largest output, of all choices and oracles.
        effect: Smallest relative change that a removal made to the output: a comparison of equals would show nothing.
        checks: The engine's own verdicts.
    """

    outcome: str
    size: int = 0
    reason: str = ""
    value: float = 0.0
    effect: float = float("inf")
    checks: list[Check] = field(default_factory=list)


def examine(case: Case, choices: int = 4) -> Finding:
    """Traces a network, removes `choices` random sets of channels from all of its groups, and compares.

    Raises:
        Exception: A pruned network does not run, or has outputs of other shapes.
    """
    torch.manual_seed(1)
    model = shaken(case.build())
    before = copy.deepcopy(model.state_dict())
    try:
        found = tried_trace(model, FakeTask(), images())
    except TraceError as error:
        return Finding("refused", reason=str(error))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items()), "the trace left a mark"
    finding = classify(case, found)
    for seed in range(choices):
        kept = random_choice(found.prunable, random.Random(seed), three=seed == 0)
        if kept:
            _compare(case, model, found.prunable, kept, finding)
    return finding


def classify(case: Case, found: Trace) -> Finding:
    """Returns the outcome for the case's subject."""
    holding = {group: slot for group in found.groups for slot in group.slots if (slot.tensor, slot.dim) == case.subject}
    prunable = [group for group in holding if group.pinned_reason is None]
    if not prunable:
        reason = next((group.pinned_reason for group in holding), None)
        pinned = (why for path, why in found.pinned if case.subject[0].startswith(f"{path}."))
        return Finding("pinned", reason=reason or next(pinned, ""))
    size = sum(group.size for group in prunable)
    mixing = next((group.mixing for group in prunable if group.mixing), None)
    if mixing:
        return Finding("mixing", size, reason=mixing)
    balanced = any(len(holding[group].indices) > group.size for group in prunable)
    return Finding("balanced" if balanced else "exact", size)


def random_choice(groups: tuple[ChannelGroup, ...], rng: random.Random, *, three: bool) -> dict[str, list[int]]:
    """Returns kept channels by group: all but `three` of them or a random number, at least one."""
    kept = {}
    for group in groups:
        removed = min(3, group.size - 1) if three else rng.randint(0, group.size - 1)
        kept[group.name] = sorted(rng.sample(range(group.size), group.size - removed))
    return kept


def pruned_copy(model: nn.Module, groups: tuple[ChannelGroup, ...], kept: dict[str, list[int]]) -> nn.Module:
    """Returns a physically pruned copy."""
    smaller = copy.deepcopy(model)
    surgery.apply(smaller, recipe(model, groups, kept))
    return smaller


def silenced_sources(model: nn.Module, cut: dict[str, dict[str, list[int]]]) -> nn.Module:
    """Returns a copy that makes zeros instead of the channels that a recipe removes."""
    silent = copy.deepcopy(model)
    for name, dims in cut.items():
        path, _, attribute = name.rpartition(".")
        module = silent.get_submodule(path)
        value = getattr(module, attribute)
        for dim, kept in dims.items():
            if isinstance(value, torch.Tensor) and not (attribute == "weight" and _reads(module, int(dim))):
                gone = torch.tensor(sorted(set(range(value.shape[int(dim)])) - set(kept)))
                value.data.index_fill_(int(dim), gone, 0)
    return silent


def cut_by_hand(
    model: nn.Module, cut: dict[str, dict[str, list[int]]], sources: Mapping[int, tuple[str, int]]
) -> nn.Module:
    """Returns a copy of which every dimension of a size is cut as its source is.

    Args:
        model: The dense network.
        cut: The kept indices of a recipe, of which only those of the sources are read.
        sources: Parameter and dimension by size.
    """
    smaller = copy.deepcopy(model)
    kept = {size: cut[name][str(dim)] for size, (name, dim) in sources.items() if str(dim) in cut.get(name, {})}
    for module in smaller.modules():
        for name, value in [*module._parameters.items(), *module._buffers.items()]:
            for dim, size in enumerate(value.shape if value is not None else ()):
                if size in kept:
                    value = value.detach().index_select(dim, torch.tensor(kept[size]))
            (module._parameters if name in module._parameters else module._buffers)[name] = _like(module, name, value)
        if isinstance(module, _ConvNd) and 1 < module.groups == module.in_channels:
            module.groups = module.weight.shape[0]
        if isinstance(module, (nn.LayerNorm, nn.RMSNorm)):
            module.normalized_shape = tuple(len(kept.get(size, range(size))) for size in module.normalized_shape)
    return smaller


def run(model: nn.Module, inputs: torch.Tensor | None = None) -> list[torch.Tensor]:
    """Returns the outputs of a copy in double precision."""
    with torch.no_grad():
        return FakeTask().forward(copy.deepcopy(model).double(), (images() if inputs is None else inputs).double())


def difference(expected: list[torch.Tensor], found: list[torch.Tensor]) -> float:
    """Returns the largest difference relative to the largest output.

    Raises:
        AssertionError: The outputs have other shapes.
    """
    assert [output.shape for output in found] == [output.shape for output in expected]
    pairs = zip(expected, found, strict=True)
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)


def _compare(
    case: Case, model: nn.Module, groups: tuple[ChannelGroup, ...], kept: dict[str, list[int]], finding: Finding
) -> None:
    smaller = pruned_copy(model, groups, kept)
    cut = recipe(model, groups, kept)["kept"]
    found = run(smaller)
    right = []
    if "sources" in case.oracles:
        right.append(silenced_sources(model, cut))
    if "slices" in case.oracles:
        right.append(cut_by_hand(model, cut, case.sources))
    for expected in right:
        finding.value = max(finding.value, difference(run(expected), found))
    if cut:
        finding.effect = min(finding.effect, difference(run(model), found))
        finding.checks.append(verify(model, smaller, FakeTask(), images(), groups, kept))


def _reads(module: nn.Module, dim: int) -> bool:
    if isinstance(module, _ConvTransposeNd):
        return dim == 0 and module.groups == 1
    return isinstance(module, (_ConvNd, nn.Linear)) and dim == 1


def _like(module: nn.Module, name: str, value: torch.Tensor | None) -> torch.Tensor | None:
    return nn.Parameter(value) if name in module._parameters and value is not None else value
