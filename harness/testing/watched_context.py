"""The engine's context, and what of the data set is read through it or past it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from harness.engine import first_batch
from harness.engine.context import StageContext
from harness.engine.seeding import seeded
from harness.registry import Batch, Dataset, LoaderRequest
from harness.spec.budget import TrainingBudget
from harness.testing.surroundings import ITERATIONS


@dataclass
class Reading:
    """What was asked of a data set.

    Attributes:
        through: Splits of loaders that the engine opened: for calibration or for a training.
        past: Splits of loaders that others opened.
    """

    through: list[str] = field(default_factory=list)
    past: list[str] = field(default_factory=list)

    @contextmanager
    def of(self, dataset: Dataset[Any]) -> Iterator[None]:
        """Notes every loader of this kind of data set that is opened in the block, whoever opens it."""
        kind: Any = type(dataset)
        own, inherited = kind.__dict__.get("loader"), kind.loader

        def loader(data: Dataset[Any], request: LoaderRequest) -> dict[str, Any]:
            caller = sys._getframe(1).f_globals.get("__name__")
            (self.through if caller == first_batch.__name__ else self.past).append(request.split)
            config: dict[str, Any] = inherited(data, request)
            return config

        kind.loader = loader
        try:
            yield
        finally:
            if own is None:
                del kind.loader
            else:
                kind.loader = own


class WatchedContext(StageContext):
    """See `StageContext`; what the engine draws from torch's global generator is not put down to the method."""

    def calibration_batches(self, samples: int | None = None) -> Iterator[Batch]:
        """See `Context.calibration_batches`."""
        with seeded(self.seed):
            batches = list(super().calibration_batches(samples))
        yield from batches

    def train(self, model: nn.Module, budget: TrainingBudget, purpose: str, hooks: Sequence[Any] = ()) -> int:
        """See `Context.train`; a few iterations show what a suite wants to know."""
        short = budget.model_copy(update={"iterations": min(ITERATIONS, budget.iterations)})
        with seeded(self.seed):
            return super().train(model, short, purpose, hooks)
