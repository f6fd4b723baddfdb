"""The engine's implementation of the context that methods see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from mmengine.runner import Runner
from torch import nn

from harness.engine.budgeted import train_under
from harness.engine.costs import count_macs
from harness.engine.first_batch import open_loader, require_readable
from harness.engine.seeding import derive_seed
from harness.engine.workbench import Workbench
from harness.registry import Batch, Context, LoaderRequest
from harness.spec.budget import TrainingBudget


class StageContext(Context):
    """A method's door to data, task and machine, for one stage.

    Args:
        bench: The stage's surroundings.
        most_iterations: The longest that a training may be; `None` for as long as it asks for.

    Attributes:
        iterations: Optimiser steps that the method's trainings took.
    """

    def __init__(self, bench: Workbench, most_iterations: int | None = None) -> None:
        self.iterations = 0
        self._most_iterations = most_iterations
        parameters = bench.parameters
        self._bench = bench
        self._calibration = parameters["calibration"]
        self.task = bench.task
        self.meta = bench.meta
        self.budget = TrainingBudget.model_validate(parameters.get("budget") or {})
        self.seed = bench.seed
        self.device = bench.device
        self.protocol = parameters["protocol"]
        self.ratio_of = parameters.get("ratio_of", "channels")
        self.prepare_key = parameters.get("key")
        self.logger = bench.logger

    def generator(self, purpose: str = "") -> torch.Generator:
        """See `Context.generator`."""
        return torch.Generator().manual_seed(derive_seed(self.seed, f"method:{purpose}"))

    def calibration_batches(self, samples: int | None = None) -> Iterator[Batch]:
        """See `Context.calibration_batches`."""
        wanted = samples or int(self._calibration["samples"])
        size = min(int(self._calibration["batch_size"]), wanted)
        request = LoaderRequest(
            split="train", batch_size=size, seed=derive_seed(self.seed, "calibration"), samples=wanted
        )
        loader = Runner.build_dataloader(open_loader(self._bench, request))
        read = 0
        for number, batch in enumerate(islice(loader, -(-wanted // size))):
            if number == 0:
                require_readable(self._bench, request, batch, training=True)
            read += len(batch["inputs"])
            self.samples_read = max(self.samples_read, read)
            yield batch

    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """See `Context.loss`."""
        return self.task.loss(model, batch)

    def train(self, model: nn.Module, budget: TrainingBudget, purpose: str, hooks: Sequence[Any] = ()) -> int:
        """See `Context.train`."""
        limit = self._most_iterations
        if limit is not None:
            budget = budget.model_copy(update={"iterations": min(limit, budget.iterations)})
        # Other processes would have to do all again that the method has done before.
        budget = budget.model_copy(update={"processes": 1})
        outcome = train_under(self._bench, model, budget, f"method-{purpose}", hooks, folder=purpose)
        self.iterations += outcome.iterations
        return outcome.iterations

    def example_images(self, batch_size: int = 1, size: tuple[int, int] | None = None) -> torch.Tensor:
        """See `Context.example_images`."""
        height, width = size or self.meta.input_size
        noise = torch.randn((batch_size, 3, height, width), generator=self.generator("images"))
        return noise.to(self.device)

    def count_macs(self, model: nn.Module, images: torch.Tensor) -> int:
        """See `Context.count_macs`."""
        return count_macs(model, self.task, images)

    def progress(self, done: int, total: int, text: str = "") -> None:
        """See `Context.progress`."""
        self._bench.progress(done, total, text)
