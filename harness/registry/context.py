"""The context: a method's only door to data, task and machine."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterator, Sequence

    import torch
    from torch import nn

    from harness.registry.dataset import DatasetMeta
    from harness.registry.task import Batch, Task
    from harness.spec.budget import TrainingBudget


class Context(ABC):
    """What a method may use besides the model.

    Attributes:
        task: The task plugin: forward for tracing, loss, dense outputs.
        meta: Facts about the data set; `meta.input_size` is the input that MACs are stated for.
        budget: The benchmark's recovery budget.
        seed: The cell's seed.
        device: Where models and batches live.
        protocol: `"corrected"` or `"seed"`.
        ratio_of: What a ratio is a fraction of: `channels`, `params` or `macs`.
        samples_read: Training samples that the longest run through `calibration_batches` has read; a method that wants
            to tell about a part of its work sets it to 0 first.
        prepare_key: In `prepare`, what the descriptor's `prepare_key` returned for the settings that share it.
        logger: Writes to the stage's log.
    """

    task: Task
    meta: DatasetMeta
    budget: TrainingBudget
    seed: int
    device: torch.device
    protocol: str
    ratio_of: str
    samples_read: int = 0
    prepare_key: Any = None
    logger: logging.Logger

    @abstractmethod
    def generator(self, purpose: str = "") -> torch.Generator:
        """Returns a new CPU generator seeded by the cell's seed and `purpose`."""

    @abstractmethod
    def calibration_batches(self, samples: int | None = None) -> Iterator[Batch]:
        """Yields batches of the *training* split, in a fixed order under the seed.

        Args:
            samples: How many samples in all; default: the benchmark's `calibration.samples`.
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Returns the task's scalar training loss of a batch, with its graph."""

    @abstractmethod
    def train(self, model: nn.Module, budget: TrainingBudget, purpose: str, hooks: Sequence[Any] = ()) -> int:
        """Trains a model in place on the training split, as the benchmark's own trainings are, for a method that must.

        It is done by one process, whatever the budget's `processes`. What it spends is a cost of the method's
        `prepare`, and stands in the record. In `bench check`, which trains nothing, one iteration shows that it works.

        Args:
            model: On the context's device; its `train_step` is that of mmengine's models.
            budget: How long and how.
            purpose: What for, in a word; part of the seed. Two trainings of one stage have different ones.
            hooks: mmengine hooks.

        Returns:
            The optimiser steps that were taken.

        Raises:
            NonFiniteLossError: The loss, or in the last steps the weights, became NaN or infinite.
            UserError: The budget asks for what this machine or torch does not have.
        """

    @abstractmethod
    def example_images(self, batch_size: int = 1, size: tuple[int, int] | None = None) -> torch.Tensor:
        """Returns seeded noise images [N, 3, H, W] on the device, for tracing and checks.

        Args:
            batch_size: N.
            size: (H, W); default: the data set's input size.
        """

    @abstractmethod
    def count_macs(self, model: nn.Module, images: torch.Tensor) -> int:
        """Returns the multiply-accumulates of one inference of `images` [N, 3, H, W], by the counter of all records.

        The model is left in the modes it has; buffers that inference changes stay changed.
        """

    @abstractmethod
    def progress(self, done: int, total: int, text: str = "") -> None:
        """Reports how far the stage is; cheap enough to be called for every batch."""
