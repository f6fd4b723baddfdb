"""A zoo model's passage through the first gate: half of its channels go, and what came of it is measured."""

from __future__ import annotations

import copy
import logging
import math
import time
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from bench_pruning.channels import verification
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
    from collections.abc import Iterator

    from torch import nn
    from zoo_models import ZooModel

    from harness.registry import Plugin, TaskDescriptor
    from harness.registry.method import Check, Compression
    from harness.registry.task import Batch, Task

Shapes = list[tuple[int, ...]]

SEED = 1
"""Not 0, which artifacts are rebuilt from."""


@dataclass(frozen=True, kw_only=True)
class Passage:
    """What the gate asks of a model, before it judges.

    Attributes:
        name: The model.
        groups: Number of groups with channels that may go.
        classes: Number of channels in them.
        pinned: Number of layers whose output channels must stay.
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
            but not where a statistic over pruned channels changes.
        shapes: Shapes of all outputs at both sizes, before and after.
        effect: By how much cutting moved the outputs, relative to the largest value of each; the largest of them. Where
            it is small, masked and physical outputs agree for no good reason.
        loss: The training loss of the pruned model.
        stuck: Trainable parameters that got no finite gradient from it.
        differing: Numbers of the outputs in which the reloaded artifact is not bit-equal.
    """

    name: str
    groups: int
    classes: int
    pinned: int
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

    def example_images(self, batch_size: int = 1, size: tuple[int, int] | None = None) -> torch.Tensor:
        return torch.randn(batch_size, 3, *(size or self.meta.input_size), generator=self.generator("images"))

    def count_macs(self, model, images):
        return count_macs(model, self.task, images)

    def progress(self, done: int, total: int, text: str = "") -> None:
        del done, total, text


def pass_gate(zoo_model: ZooModel, ratio: float = 0.5, seed: int = SEED) -> Passage:
    """Prunes a freshly built model by L2 at `ratio` and measures it; raises what the method raises."""
    context = ZooContext(zoo_model)
    task = context.task
    images = [context.example_images(2, size) for size in zoo_model.sizes]
    method = L2(options=PruningOptions())

    model = zoo_model.build(seed)
    whole = copy.deepcopy(model)
    dense = _outputs(model, task, images)
    parameters, macs = _parameters(model), count_macs(model, task, images[0][:1])

    began = time.process_time()
    trace(model, task, context.example_images())
    traced = time.process_time()
    state = method.prepare(model, context)
    prepared = time.process_time()
    result = method.compress(model, ratio, state, context)
    compressed = time.process_time()

    pruned = _outputs(result.model, task, images)
    reloaded = _outputs(_reload(zoo_model, result), task, images)
    after = _parameters(result.model), count_macs(result.model, task, images[0][:1])
    mixed = any(group["mixing"] for group in state.data["groups"])
    leak = None if mixed else _leak(whole, result, task, images[0])
    # Last, as it moves the statistics of normalisation.
    loss, stuck = _train_once(result.model, task, zoo_model.batch(seed=1))
    return Passage(
        name=zoo_model.name,
        groups=len(state.data["groups"]),
        classes=sum(group["size"] for group in state.data["groups"]),
        pinned=len(state.data["pinned"]),
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
        stuck=stuck,
        differing=[n for n, (a, b) in enumerate(zip(pruned, reloaded, strict=True)) if not torch.equal(a, b)],
    )


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


def _leak(dense: nn.Module, result: Compression, task: Task, images: torch.Tensor) -> float:
    """Zeroes, in `dense`, whatever the recipe removes, and compares."""
    recipe = result.transforms[0].payload["kept"]
    for name, tensor in dense.named_parameters(remove_duplicate=False):
        for dimension, kept in recipe.get(name, {}).items():
            removed = sorted(set(range(tensor.shape[int(dimension)])) - set(kept))
            tensor.data.index_fill_(int(dimension), torch.tensor(removed), 0)
    pruned = copy.deepcopy(result.model)
    expected, found = (_outputs(model.double(), task, [images.double()]) for model in (dense, pruned))
    return _distance(expected, found)


@torch.no_grad()
def _outputs(model: nn.Module, task: Task, images: list[torch.Tensor]) -> list[torch.Tensor]:
    """Returns the raw outputs of all heads and the prediction for each batch of images, in eval mode."""
    model.eval()
    return [output for batch in images for output in (*task.forward(model, batch), task.predict(model, batch))]


def _train_once(model: nn.Module, task: Task, batch: Batch) -> tuple[float, list[str]]:
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
    return max(float((a - b).abs().max() / a.abs().max()) for a, b in pairs)
