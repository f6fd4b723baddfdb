"""One recovery: trained as its stage does it, and watched."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch.optim.optimizer import register_optimizer_step_post_hook

from harness.engine.artifact import save_model
from harness.engine.model_check.subject import Subject, build_subject
from harness.engine.seeding import algorithms, seeded
from harness.engine.stages.models import MODEL_FOLDER
from harness.engine.stages.recover import run_recover
from harness.spec.budget import TrainingBudget
from harness.spec.method_call import MethodCall
from harness.store.artifact import WEIGHTS
from harness.testing.compressor_trial import PATIENCE
from harness.testing.global_state import watched
from harness.testing.surroundings import BUDGET, SEED, Surroundings
from harness.testing.tensors import differing
from harness.testing.time_limit import time_limit
from harness.testing.watched_context import Reading

DIVERGING = BUDGET.model_copy(update={"optimizer": {"type": "SGD", "lr": 1e38}})
"""The first step already throws the weights to the limits of 32 bits."""


@dataclass
class Training:
    """One training.

    Attributes:
        weights: The weights behind it, as they lie in the artifact.
        steps: Steps that optimisers took, the engine's and others.
        leaks: What was left changed in the process.
        seconds: Wall time.
    """

    weights: dict[str, torch.Tensor]
    steps: int
    leaks: list[str]
    seconds: float


class RecoveryTrial:
    """A recovery and the model that it trains.

    Args:
        surroundings: Task, model and data set.
        call: The method with its options.
        work: A folder for files.
        seconds: Limit of the wall time of one training.
    """

    def __init__(self, surroundings: Surroundings, call: MethodCall, work: Path, seconds: float) -> None:
        self.call = call
        self.reading = Reading()
        self._surroundings = surroundings
        self._work = work
        self._seconds = seconds
        self._count = 0

    @cached_property
    def subject(self) -> Subject:
        """The model, with fresh weights."""
        return build_subject(self._surroundings.workbench(self._work, self.call))

    @cached_property
    def first(self) -> Training:
        """The first training."""
        return self.train(BUDGET)

    @cached_property
    def again(self) -> Training:
        """A further one, with everything that is imported late imported already."""
        assert self.first
        return self.train(BUDGET)

    def differences(self) -> list[str]:
        """Returns the weights in which the first training and another one differ."""
        return differing(self.first.weights, self.again.weights)

    def train(self, budget: TrainingBudget) -> Training:
        """Trains a private copy of the model under a budget."""
        self._count += 1
        work = self._work / f"training-{self._count}"
        source = work / "source"
        save_model(source / MODEL_FOLDER, self.subject.source.file, self.subject.source.model)
        bench = self._surroundings.workbench(work, self.call, kind="recover", budget=budget, inputs={"model": source})
        leaks: list[str] = []
        limit = time_limit(PATIENCE * self._seconds, f"a training with {self.call.name}")
        reading, unchanged = self.reading.of(bench.dataset), watched(leaks, random_states=False)
        began = time.monotonic()
        with seeded(SEED), algorithms(deterministic=True), unchanged, limit, reading, _steps() as steps:
            run_recover(bench)
        weights = load_file(work / MODEL_FOLDER / WEIGHTS)
        return Training(weights, len(steps), leaks, time.monotonic() - began)


@contextmanager
def _steps() -> Iterator[list[None]]:
    """Counts the steps of all optimisers in the block."""
    steps: list[None] = []
    handle = register_optimizer_step_post_hook(lambda *_: steps.append(None))
    try:
        yield steps
    finally:
        handle.remove()
