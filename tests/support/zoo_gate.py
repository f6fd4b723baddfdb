"""A zoo model's passage through the first gate: half of its channels go, and what came of it is measured."""

from __future__ import annotations

import copy
import logging
import math
import re
import time
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from bench_pruning.channels import verification
from bench_pruning.channels.costs import parameter_costs
from bench_pruning.channels.groups import ChannelGroup
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.l2 import L2
from bench_pruning.descriptors import PruningOptions
from harness.engine.artifact import load_model, save_model, with_transforms
from harness.engine.costs import count_macs
from harness.registry import Registry
from harness.registry.claim import find_claims
from harness.registry.context import Context
from harness.spec.budget import TrainingBudget
from harness.store.artifact import ModelBase, ModelFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn
    from zoo_models import ZooModel

    from harness.registry import Plugin, TaskDescriptor
    from harness.registry.method import Check, Compression
    from harness.registry.task import Batch, Task

Shapes = list[tuple[int, ...]]

SEED = 1
"""Not 0, which artifacts are rebuilt from."""

LEAK = 1e-12
"""Largest difference in 64 bits."""

EFFECT = 1000 * verification.TOLERANCE
"""Smallest change of the outputs that makes their comparison say something."""


class GateError(Exception):
    """A step of the passage raised.

    Attributes:
        step: Which.
        error: What it raised.
    """

    def __init__(self, step: str, error: Exception) -> None:
        first = (str(error).splitlines() or [""])[0]
        super().__init__(f"{step}: {type(error).__name__}: {first}")
        self.step = step
        self.error = error


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What the gate asks of a model, before it judges.

    Attributes:
        name: The model.
        groups: Number of groups with channels that may go.
        classes: Number of channels in them.
        removable: Fraction of the parameters that go if every group is left with one channel.
        pinned: Number of layers whose output channels must stay, by reason, the most frequent first; without the
            places that the reasons name.
        notes: What trying the trace found wrong with it and pinned.
        trace_seconds: CPU seconds of one trace.
        prepare_seconds: CPU seconds of tracing, trying and scoring.
        compress_seconds: CPU seconds of cutting and checking.
        channels: Fraction of the channels that went.
        parameters: Their number before and after.
        macs: Multiply-accumulates of one image of the first size, before and after.
        checks: The method's own verdicts.
        leak: The largest difference between the pruned model and the dense one in which everything that the recipe
            removes is zero, relative to the largest value of each output, in 64 bits; known without the method's help,
            but not where a statistic over pruned channels changes or a network takes 32 bits only.
        shapes: Shapes of all outputs at both sizes, before and after.
        effect: By how much cutting moved the outputs, relative to the largest value of each; the largest of them. Where
            it is small, masked and physical outputs agree for no good reason.
        loss: The training loss of the pruned model.
        stuck: Trainable parameters that get no finite gradient from it, but did from that of the dense model.
        differing: Numbers of the outputs in which the reloaded artifact is not bit-equal.
    """

    name: str
    groups: int
    classes: int
    removable: float
    pinned: dict[str, int]
    notes: list[str]
    trace_seconds: float
    prepare_seconds: float
    compress_seconds: float
    channels: float
    parameters: tuple[int, int]
    macs: tuple[int, int]
    checks: list[Check]
    leak: float | None
    shapes: tuple[Shapes, Shapes]
    effect: float
    loss: float
    stuck: list[str]
    differing: list[int]

    @property
    def mask(self) -> Check:
        """The verdict on masked against physical."""
        return next(check for check in self.checks if check.name == verification.NAME)


class ZooContext(Context):
    """A method's door to a zoo model: noise images and random labels."""

    def __init__(self, model: ZooModel) -> None:
        self.model = model
        self.task = model.task
        self.meta = model.meta
        self.budget = TrainingBudget()
        self.seed = 0
        self.device = torch.device("cpu")
        self.protocol = "corrected"
        self.ratio_of = "channels"
        self.logger = logging.getLogger("zoo-gate")

    def generator(self, purpose: str = "") -> torch.Generator:
        return torch.Generator().manual_seed(self.seed + zlib.crc32(purpose.encode()))

    def calibration_batches(self, samples: int | None = None) -> Iterator[Batch]:
        for number in range(math.ceil((samples or 2) / 2)):
            yield self.model.batch(self.seed + number)

    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        return self.task.loss(model, batch)

    def train(self, model: nn.Module, budget: TrainingBudget, purpose: str, hooks: Sequence[Any] = ()) -> int:
        raise AssertionError(purpose)  # nothing is trained here

    def example_images(self, batch_size: int = 1, size: tuple[int, int] | None = None) -> torch.Tensor:
        return torch.randn(batch_size, 3, *(size or self.meta.input_size), generator=self.generator("images"))

    def count_macs(self, model: nn.Module, images: torch.Tensor) -> int:
        return count_macs(model, self.task, images)

    def progress(self, done: int, total: int, text: str = "") -> None:
        del done, total, text


def pass_gate(zoo_model: ZooModel, ratio: float = 0.5, seed: int = SEED) -> Passage:
    """Prunes a freshly built model by L2 at `ratio` and measures it.

    Raises:
        GateError: The model cannot be built or run, or the method raises.
    """
    context = ZooContext(zoo_model)
    task = context.task
    images = [context.example_images(2, size) for size in zoo_model.sizes]
    method = L2(options=PruningOptions())

    with _step("build"):
        model = zoo_model.build(seed)
        whole = copy.deepcopy(model)
    with _step("run"):
        dense = _outputs(model, task, images)
        parameters, macs = _parameters(model), count_macs(model, task, images[0][:1])
    with _step("loss"):
        _, unreached = _train_once(copy.deepcopy(model), task, zoo_model.batch(seed=1))

    began = time.process_time()
    with _step("trace"):
        trace(model, task, context.example_images())
    traced = time.process_time()
    with _step("prepare"):
        state = method.prepare(model, context)
    prepared = time.process_time()
    with _step("compress"):
        result = method.compress(model, ratio, state, context)
    compressed = time.process_time()

    groups = [ChannelGroup.from_json(group) for group in state.data["groups"]]
    with _step("run the pruned"):
        pruned = _outputs(result.model, task, images)
        after = _parameters(result.model), count_macs(result.model, task, images[0][:1])
    with _step("reload"):
        reloaded = _outputs(_reload(zoo_model, result), task, images)
    with _step("mask"):
        leak = None if any(group.mixing for group in groups) else _leak(whole, result, task, images[0])
    # Last, as it moves the statistics of normalisation.
    with _step("train the pruned"):
        loss, stuck = _train_once(result.model, task, zoo_model.batch(seed=1))
    least = parameter_costs(whole, groups).count({group.name: 1 for group in groups})
    return Passage(
        name=zoo_model.name,
        groups=len(groups),
        classes=sum(group.size for group in groups),
        removable=1 - least / parameters,
        pinned=dict(Counter(_without_places(pin["reason"]) for pin in state.data["pinned"]).most_common()),
        notes=state.data["notes"],
        trace_seconds=traced - began,
        prepare_seconds=prepared - traced,
        compress_seconds=compressed - prepared,
        channels=result.achieved["channels"],
        parameters=(parameters, after[0]),
        macs=(macs, after[1]),
        checks=result.checks,
        leak=leak,
        shapes=(_shapes(dense), _shapes(pruned)),
        effect=_distance(dense, pruned),
        loss=loss,
        stuck=[name for name in stuck if name not in unreached],
        differing=[n for n, (a, b) in enumerate(zip(pruned, reloaded, strict=True)) if not torch.equal(a, b)],
    )


def problems(passage: Passage, ratio: float = 0.5) -> list[str]:
    """Returns why a passage is none: what is not as it must be, each in one line."""
    checks = [f"{check.name}: {check.detail}" for check in passage.checks if check.verdict == "fail"]
    found = {
        f"{passage.channels:.1%} of the channels went instead of {ratio:.0%}": abs(passage.channels - ratio) > 0.01,
        f"output shapes changed: {passage.shapes[0]} to {passage.shapes[1]}": passage.shapes[0] != passage.shapes[1],
        f"masked and physical were not compared: {passage.mask.detail}": passage.mask.verdict != "pass" and not checks,
        f"outputs differ by {passage.leak} in 64 bits": passage.leak is not None and not passage.leak < LEAK,
        f"cutting moved the outputs by only {passage.effect:.1e}": not passage.effect > EFFECT,
        "no parameter went": not passage.parameters[1] < passage.parameters[0],
        "no MAC went": not passage.macs[1] < passage.macs[0],
        f"the training loss is {passage.loss}": not math.isfinite(passage.loss),
        f"no gradient reaches {', '.join(passage.stuck[:3])}": bool(passage.stuck),
        f"the reloaded artifact differs in outputs {passage.differing}": bool(passage.differing),
    }
    return [*checks, *(what for what, wrong in found.items() if wrong)]


@contextmanager
def _step(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise GateError(name, error) from error


def _without_places(reason: str) -> str:
    """Returns a reason without the module and the shapes that it names, so that like reasons are the same."""
    if "when it was tried with fewer channels" in reason:
        return "the trial failed"
    without = re.sub(r" ?`[^`]*`", "", re.sub(r"(, )?\[[\d, ]*\]", "", reason))
    return " ".join(without.replace(" in on ", " ").replace(" in the network on ", " ").split())


class _TasksByTarget(Registry):
    """What is installed, and as a task any class, by its `module:name`."""

    def task(self, name: str) -> Plugin[TaskDescriptor]:
        installed = super().task("segmentation")
        return replace(installed, descriptor=replace(installed.descriptor, implementation=name))


def _reload(zoo_model: ZooModel, result: Compression) -> nn.Module:
    """Returns the pruned model as `harness.load` rebuilds it from an artifact: from another seed, by the recipe."""
    kind = type(zoo_model.task)
    base = ModelBase(task=f"{kind.__module__}:{kind.__name__}", name=zoo_model.name, config=zoo_model.config)
    with TemporaryDirectory() as folder:
        save_model(Path(folder), with_transforms(ModelFile(base=base), result.transforms), result.model)
        return load_model(Path(folder), _TasksByTarget(find_claims())).model


def _leak(dense: nn.Module, result: Compression, task: Task, images: torch.Tensor) -> float | None:
    """Zeroes, in `dense`, whatever the recipe removes, and compares; `None` if the network takes 32 bits only."""
    recipe = result.transforms[0].payload["kept"]
    statistics = ("running_mean", "running_var")
    buffers = [(name, buffer) for name, buffer in dense.named_buffers() if not name.endswith(statistics)]
    for name, tensor in [*dense.named_parameters(remove_duplicate=False), *buffers]:
        for dimension, kept in recipe.get(name, {}).items():
            removed = sorted(set(range(tensor.shape[int(dimension)])) - set(kept))
            tensor.data.index_fill_(int(dimension), torch.tensor(removed), 0)
    pruned, narrowed = copy.deepcopy(result.model), _Narrowed()
    try:
        with narrowed:
            expected, found = (_outputs(model.double(), task, [images.double()]) for model in (dense, pruned))
    except RuntimeError as error:
        if "dtype" not in str(error):
            raise
        return None  # its code makes 32-bit tensors
    return None if narrowed.found else _distance(expected, found)


class _Narrowed(TorchDispatchMode):
    """Notes whether a network rounds what it computed in 64 bits to 32."""

    def __init__(self) -> None:
        super().__init__()
        self.found = False

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func._overloadpacket is torch.ops.aten._to_copy:
            self.found |= (args[0].dtype, result.dtype) == (torch.float64, torch.float32)
        return result


@torch.no_grad()
def _outputs(model: nn.Module, task: Task, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """Returns the raw outputs of all heads and the prediction for each batch of images, in eval mode."""
    model.eval()
    torch.manual_seed(0)  # some networks start from random bases
    return [output for batch in images for output in (*task.forward(model, batch), task.predict(model, batch))]


def _train_once(model: nn.Module, task: Task, batch: Batch) -> tuple[float, list[str]]:
    """Returns the loss and the trainable parameters that it gives no finite gradient."""
    torch.manual_seed(0)  # losses draw points and boxes
    loss = task.loss(model.train(), copy.deepcopy(batch))
    loss.backward()
    stuck = [
        name
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and (parameter.grad is None or not bool(parameter.grad.isfinite().all()))
    ]
    return float(loss.detach()), stuck


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _shapes(outputs: list[torch.Tensor]) -> Shapes:
    return [tuple(output.shape) for output in outputs]


def _distance(expected: list[torch.Tensor], found: list[torch.Tensor]) -> float:
    pairs = [(a, b) for a, b in zip(expected, found, strict=True) if a.shape == b.shape]
    return max(float((a - b).abs().max() / (a.abs().max() or 1)) for a, b in pairs if a.numel())
