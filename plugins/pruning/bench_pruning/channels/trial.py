"""Tries what a trace says on copies of the model, and pins what does not hold.

Sizes that Python code computes are seen by no operation; only running a smaller model shows whether the code follows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from bench_pruning.advice import WAYS_ON
from bench_pruning.channels import modes, surgery
from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.channels.failing import told
from bench_pruning.channels.recipe import Kept, recipe
from bench_pruning.channels.tracing import follow, traced
from bench_pruning.channels.verification import verify
from bench_pruning.protection import protected_groups
from harness.errors import BenchError, UnsupportedOperationError
from harness.exhaustion import exhausted

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.groups import ChannelGroup, Trace
    from harness.registry.task import Batch, Task

ATTEMPTS = 100
"""Times that groups are pinned before a model is given up."""

DRAWS = 2
"""Random choices that are compared.

The first is half of each group; the second another fraction of each, since halves may fit where widths are coupled, and
a choice may by chance be its own mirror image and hide a reversed order.
"""

LARGEST = 128
"""Pixels of a side that are enough to try a model that takes this size; how channels are coupled depends on no size."""

SECOND_SIZE_STEP = 32
"""Pixels by which the second input is larger."""

Loss = Callable[[nn.Module], torch.Tensor]


@dataclass(frozen=True)
class Fault:
    """What went wrong with a pruned copy.

    Attributes:
        path: The module that failed; `None` where the values are wrong and no module complained.
        what: What happened, in one line: the error, and the shapes that the module read.
    """

    path: str | None
    what: str


def tried_trace(
    model: nn.Module, task: Task, images: torch.Tensor, batch: Batch | None = None, protect: Sequence[str] = ()
) -> Trace:
    """Returns the channel groups of a model that hold when half of each is removed.

    Args:
        model: The network; it stays as it is.
        task: Its `forward`, `predict` and `loss` are run.
        images: Normalised images [N, 3, H, W].
        batch: A training batch; without it the training loss is not tried.
        protect: Layers whose groups stay whole, so that they need not hold; see `bench_pruning.protection`.

    Raises:
        TraceError: A forward pass of the model itself fails.
        UnsupportedOperationError: There is no end of modules that fail when they are pruned.
    """
    flow = follow(model, task, images, protect)
    trial = _Trial(model, task, images, batch)
    notes: list[str] = []
    for _ in range(ATTEMPTS):
        found = traced(model, flow, notes)
        protected = protected_groups(model, found.prunable, protect) if found.prunable else frozenset()
        tried = [group for group in found.prunable if group.name not in protected]
        fault = trial.fault(tried) if tried else None
        if fault is None:
            return found
        notes.append(_pinned(flow, tried, fault, trial))
    message = (
        f"{type(model).__name__} still fails when it is pruned after pinning {ATTEMPTS} of its modules: {notes[-1]}"
    )
    raise UnsupportedOperationError(message, WAYS_ON)


def _pinned(flow: ChannelFlow, groups: list[ChannelGroup], fault: Fault, trial: _Trial) -> str:
    """Pins what a fault of these groups is about, and returns what was pinned and why."""
    near = _near(flow, groups, fault.path) if fault.path else []
    # What the failing module reads and makes is the likeliest cause, but it may lie further ahead.
    culprits = _culprits(near if near and trial.fault(near) is not None else groups, trial)
    place = f" in `{fault.path}`" if fault.path else ""
    for group in culprits:
        flow.classes.pin(
            _labels(flow, group), f"the model failed{place} when it was tried with fewer channels: {fault.what}"
        )
    names = ", ".join(f"`{group.name}`" for group in culprits)
    return f"pinned {names}: {fault.what}{place}"


def _near(flow: ChannelFlow, groups: Sequence[ChannelGroup], path: str) -> list[ChannelGroup]:
    """Returns the groups that a module or those in it read or made."""
    seen = flow.classes.find(flow.seen_in(path))
    return [group for group in groups if np.isin(flow.classes.find(_labels(flow, group)), seen).any()]


def _labels(flow: ChannelFlow, group: ChannelGroup) -> NDArray[np.int64]:
    slot = group.slots[0]
    return flow.parameters[slot.tensor, slot.dim][list(slot.indices)]


def _culprits(groups: list[ChannelGroup], trial: _Trial) -> list[ChannelGroup]:
    """Returns the groups of a set that cannot be pruned, by bisection; the set as a whole cannot."""
    if len(groups) == 1:
        return groups
    half = len(groups) // 2
    parts = groups[:half], groups[half:]
    failing = [culprit for part in parts if trial.fault(part) is not None for culprit in _culprits(part, trial)]
    # Where only both together fail, the others hold without the first.
    return failing or parts[0]


class _Trial:
    """Copies of one model, pruned and compared with it.

    The copies have random weights, so that nothing that a pruned channel should reach is hidden by a weight of zero.
    """

    def __init__(self, model: nn.Module, task: Task, images: torch.Tensor, batch: Batch | None) -> None:
        self.model = model
        self._task = task
        self._images = small = images[..., :LARGEST, :LARGEST].cpu()
        self._batch = batch
        dense = copied(model).cpu()
        with restored_randomness(seed=0):
            _randomize(dense)
        runs = self._runs(dense)
        if not runs and small.shape != images.shape:
            self._images = images.cpu()
            runs = self._runs(dense)
        self._dense = dense if runs else copied(model).cpu()
        shapes = {size: self._shape(size) for size in self._input_sizes()}
        self._shapes = {size: shape for size, shape in shapes.items() if shape is not None}

    def fault(self, groups: Sequence[ChannelGroup]) -> Fault | None:
        """Returns what goes wrong without half of each group, or `None`."""
        for draw in range(DRAWS):
            kept = _draw(groups, even=draw == 0, seed=draw)
            pruned = surgery.pruned(self._dense, recipe(self._dense, groups, kept))
            fault = (self._forward(pruned) or self._loss(pruned)) if draw == 0 else None
            if fault is not None:
                return fault
            check = verify(self._dense, pruned, self._task, self._images, groups, kept)
            if check.verdict == "fail":
                return Fault(None, check.detail)
        return None

    def _forward(self, pruned: nn.Module) -> Fault | None:
        for size, shape in self._shapes.items():
            network = copied(pruned)
            found, fault = self._guarded(network, partial(self._predicted, network, size))
            if fault is not None:
                return fault
            if found.shape != shape:
                return Fault(None, f"its output is {list(found.shape)} instead of {list(shape)}")
        return None

    def _loss(self, pruned: nn.Module) -> Fault | None:
        if self._batch is None:
            return None
        network = copied(pruned)
        found, fault = self._guarded(network, lambda: _with_gradient(network, self._task, self._batch))
        if fault is not None:
            return fault
        wanted = {name for name, parameter in pruned.named_parameters() if parameter.requires_grad}
        # Backward is the dearest part: the dense model is asked only where there is something to compare.
        missing = sorted(wanted - found and (wanted & self._reached) - found)
        return Fault(missing[0].rpartition(".")[0], f"no gradient reaches `{missing[0]}`") if missing else None

    def _guarded(self, pruned: nn.Module, action: Callable[[], Any]) -> tuple[Any, Fault | None]:
        running: list[tuple[str, Any]] = []
        with _followed(pruned, running):
            try:
                return action(), None
            except Exception as error:
                if exhausted(error):
                    raise
                path, arguments = running[-1] if running else (None, None)
                return None, Fault(path, told(error, arguments))

    def _predicted(self, model: nn.Module, size: tuple[int, int]) -> torch.Tensor:
        images = torch.randn((len(self._images), 3, *size), generator=torch.Generator().manual_seed(0))
        modes.set_inference(model)
        with torch.no_grad(), restored_randomness(seed=0):
            return self._task.predict(model, images)

    @cached_property
    def _reached(self) -> set[str]:
        """Parameters of the uncompressed model that its loss reaches."""
        return _with_gradient(copied(self._dense), self._task, self._batch)

    def _input_sizes(self) -> list[tuple[int, int]]:
        height, width = self._images.shape[2:]
        return [(height, width), (height + SECOND_SIZE_STEP, width + SECOND_SIZE_STEP)]

    def _shape(self, size: tuple[int, int]) -> torch.Size | None:
        """Returns what shape the uncompressed model gives for an input size; `None` if it does not take it."""
        try:
            return self._predicted(copied(self._dense), size).shape
        except BenchError:
            raise
        except Exception as error:
            if exhausted(error):
                raise
            return None

    def _runs(self, dense: nn.Module) -> bool:
        """Whether a model with random weights computes numbers; one that refuses them is tried with its own."""
        model = copied(dense)
        modes.set_inference(model)
        try:
            with torch.no_grad(), restored_randomness(seed=0):
                outputs = self._task.forward(model, self._images)
            if self._batch is not None:
                _with_gradient(copied(dense), self._task, self._batch, backward=False)
        except Exception as error:
            if exhausted(error):
                raise
            return False
        return all(bool(torch.isfinite(output).all()) for output in outputs if output.is_floating_point())


def _draw(groups: Sequence[ChannelGroup], *, even: bool, seed: int) -> Kept:
    """Returns random channels of each group: half of them, or any number between one and all but one."""
    generator = torch.Generator().manual_seed(seed)
    kept = {}
    for group in groups:
        count = group.size // 2 if even else int(torch.randint(1, group.size, (1,), generator=generator))
        kept[group.name] = sorted(torch.randperm(group.size, generator=generator)[:count].tolist())
    return kept


@torch.no_grad()
def _randomize(model: nn.Module) -> None:
    """Gives weights of the size that keeps activations, and normalisation that moves and scales every channel."""
    for module in model.modules():
        for name, value in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            if not value.is_floating_point():
                continue
            if modes.is_normalization(module):
                low, high = {"weight": (0.5, 1.5), "running_var": (0.5, 1.5)}.get(name, (-0.5, 0.5))
                value.uniform_(low, high)
            elif isinstance(value, nn.Parameter):
                fan = value[0].numel() if value.dim() > 1 else 1
                value.normal_().div_(max(1.0, fan) ** 0.5) if value.dim() > 1 else value.uniform_(-0.5, 0.5)


def _with_gradient(model: nn.Module, task: Task, batch: Batch, *, backward: bool = True) -> set[str]:
    """Returns the names of parameters that the training loss reaches with a finite gradient; the model is used up."""
    with restored_randomness(seed=0), torch.set_grad_enabled(backward):
        model.train()
        loss = task.loss(model, batch)
        if not backward:
            return set()
        loss.backward()  # type: ignore[no-untyped-call]
        return {
            name
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and bool(torch.isfinite(parameter.grad).all())
        }


@contextmanager
def _followed(model: nn.Module, running: list[tuple[str, Any]]) -> Iterator[None]:
    """Notes which module runs, and on what; of one that raises, its path stays last."""

    def enter(path: str) -> Callable[..., None]:
        return lambda _, arguments: running.append((path, arguments))

    def leave(*_: object) -> None:
        running.pop()

    handles: list[Any] = []
    watched = [
        (path, module) for path, module in model.named_modules() if not isinstance(module, torch.jit.ScriptModule)
    ]
    for path, module in watched:
        handles.append(module.register_forward_pre_hook(enter(path), prepend=True))
        handles.append(module.register_forward_hook(leave))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
