"""What `channel_engine.py` times: the parts of our engine, all that a method does, and Torch-Pruning."""

from __future__ import annotations

import copy
import gc
import os
import sys
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from zoo_gate import SEED, ZooContext  # noqa: E402
from zoo_models import ZOO, missing  # noqa: E402

from bench_pruning.allocation import allocate  # noqa: E402
from bench_pruning.channels import modes, surgery  # noqa: E402
from bench_pruning.channels.bound import BoundGroup  # noqa: E402
from bench_pruning.channels.recipe import recipe  # noqa: E402
from bench_pruning.channels.tracing import follow, traced  # noqa: E402
from bench_pruning.channels.verification import verify  # noqa: E402
from bench_pruning.criteria.l2 import L2  # noqa: E402
from bench_pruning.descriptors import PruningOptions  # noqa: E402

if TYPE_CHECKING:
    from torch import nn
    from zoo_models import ZooModel

    from bench_pruning.channels.groups import ChannelGroup
    from harness.registry.method import State
    from harness.registry.task import Task

Result = TypeVar("Result")

OPTIONS = PruningOptions()
"""The same fraction of every group goes, as with Torch-Pruning's local pruning."""

TRACE = ("follow", "group")
COMPARABLE = (*TRACE, "score", "allocate", "recipe", "apply")
"""The parts that Torch-Pruning has too; it neither tries what it found nor checks what it did."""

OUTPUTS = ("conv_seg", "cls_embed", "mask_embed")
"""Last layers, which Torch-Pruning has to be told."""

_WARM_UP_SIZE = 64


@dataclass(frozen=True)
class Subject:
    """A zoo model with random weights, and one image of a size.

    Attributes:
        context: The method's door to it; its images and batches have the size asked for.
        model: The network; runs work on copies.
        images: The image that is traced, [1, 3, size, size].
    """

    context: ZooContext
    model: nn.Module
    images: torch.Tensor

    @property
    def task(self) -> Task:
        """The task that runs the network."""
        return self.context.task


@dataclass
class Stopwatch:
    """CPU seconds of this process, by what was measured.

    Attributes:
        seconds: One entry a repetition.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def time(self, name: str, action: Callable[[], Result]) -> Result:
        """Runs `action` and notes what it took; garbage of what ran before is not its own."""
        gc.collect()
        began = time.process_time()
        result = action()
        self.seconds[name].append(time.process_time() - began)
        return result

    def sums(self, *names: str) -> list[float]:
        """Returns the sum of several measurements, one a repetition."""
        return [sum(values) for values in zip(*(self.seconds[name] for name in names), strict=True)]


def subject(name: str, size: int) -> Subject:
    """Returns a model of the zoo for square images of `size` pixels.

    Weights are drawn at a small size: that must not be what needs the most memory.

    Raises:
        SystemExit: The model is unknown or needs what is not installed.
    """
    found = next((model for model in ZOO if model.name == name), None)
    if found is None:
        sys.exit(f"{name} is none of {', '.join(model.name for model in ZOO)}")
    if reason := missing(found):
        sys.exit(f"not run: {reason}")
    small = (_WARM_UP_SIZE, _WARM_UP_SIZE)
    model = replace(found, sizes=(small, small)).build(SEED)
    context = ZooContext(_sized(found, size))
    return Subject(context, model, context.example_images())


def forward(given: Subject) -> Any:
    """Runs all heads once, in eval mode, without gradients."""
    with torch.no_grad(), modes.restored_flags(given.model):
        modes.set_inference(given.model)
        return given.task.forward(given.model, given.images)


def run_parts(given: Subject, ratio: float, watch: Stopwatch) -> nn.Module:
    """Traces, scores and prunes a copy, part by part; returns it."""
    model, task, images = given.model, given.task, given.images
    flow = watch.time("follow", lambda: follow(model, task, images))
    groups = watch.time("group", lambda: traced(model, flow)).prunable
    scores = watch.time("score", lambda: _scores(model, groups))
    kept = watch.time("allocate", lambda: allocate(scores, ratio, OPTIONS)).kept
    payload = watch.time("recipe", lambda: recipe(model, groups, kept))
    pruned = watch.time("apply", lambda: surgery.pruned(model, payload))
    watch.time("verify", lambda: verify(model, pruned, task, images, groups, kept))
    return pruned


def run_seven(given: Subject, ratios: tuple[float, ...]) -> None:
    """Traces and scores once, then prunes a copy at each ratio, without trial and verification."""
    model = given.model
    groups = traced(model, follow(model, given.task, given.images)).prunable
    scores = _scores(model, groups)
    for ratio in ratios:
        kept = allocate(scores, ratio, OPTIONS).kept
        surgery.pruned(model, recipe(model, groups, kept))


def prepare(given: Subject) -> State:
    """Traces, tries and scores, as `bench` does."""
    return L2(options=OPTIONS).prepare(given.model, given.context)


def compress(given: Subject, ratio: float, state: State) -> nn.Module:
    """Prunes and checks a copy, as `bench` does."""
    return L2(options=OPTIONS).compress(copy.deepcopy(given.model), ratio, state, given.context).model


def run_torch_pruning(given: Subject, ratio: float) -> nn.Module:
    """Builds Torch-Pruning's graph from the same forward and prunes a copy by the magnitude of groups; returns it."""
    # Imported here, as it is not needed to measure our own.
    import torch_pruning

    # It follows gradients, which must reach every layer.
    model: Any = copy.deepcopy(given.model).requires_grad_(True)
    model.backbone.frozen_stages = -1
    outputs = [module for path, module in model.named_modules() if path.endswith(OUTPUTS)]
    pruner = torch_pruning.pruner.MetaPruner(
        model,
        given.images,
        importance=torch_pruning.importance.MagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=outputs,
        forward_fn=given.task.forward,
        in_channel_groups={},  # the defaults are shared by all pruners of a process
        out_channel_groups={},
    )
    pruner.step()
    pruned: nn.Module = model
    return pruned


def parameters(model: nn.Module) -> int:
    """Returns the number of parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def quiet() -> None:
    """One thread, in this process and those that it starts, and no warnings of other packages."""
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1", PYTHONWARNINGS="ignore")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")


def _scores(model: nn.Module, groups: tuple[ChannelGroup, ...]) -> dict[str, torch.Tensor]:
    method = L2(options=OPTIONS)
    with torch.no_grad():
        return {group.name: method.score(BoundGroup(group, model), {}) for group in groups}


def _sized(model: ZooModel, size: int) -> ZooModel:
    return replace(model, sizes=((size, size), (size, size)))
