"""A few validation images, loaded once, on which a model is evaluated again and again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from torch import Tensor, nn

from harness.engine.first_batch import open_loader, require_readable
from harness.engine.workbench import Workbench
from harness.errors import DataError, UnsupportedOperationError
from harness.registry import Batch, LoaderRequest


class ValidationImages:
    """Images of the validation split, or where there is none of the split that reports use.

    Which ones is the data set's choice: folders spread them evenly over the split.

    Args:
        bench: The stage's surroundings.
        samples: How many images; fewer where the split has no more.
        batch_size: Images a forward pass.

    Attributes:
        split: The split that they are of.
        count: How many there are.
        batches: As the loader gave them.

    Raises:
        DataError: The split is empty, or its first batch is not what the task reads.
    """

    def __init__(self, bench: Workbench, samples: int, batch_size: int) -> None:
        self._task, self._meta = bench.task, bench.meta
        self.split = "val" if "val" in bench.meta.splits else bench.meta.report_split
        # Batches are made here: a data set that leaves out a last batch which is not full has none of one image.
        request = LoaderRequest(split=self.split, batch_size=1, samples=samples)
        config = {**open_loader(bench, request), "batch_size": batch_size, "drop_last": False}
        loader = Runner.build_dataloader(config)
        self._dataset_meta = getattr(loader.dataset, "metainfo", None)
        self.batches: list[Batch] = list(loader)
        if not self.batches:
            message = f"data set {bench.parameters['dataset']['name']} ({self.split}): there are no images in it"
            raise DataError(message, "`bench datasets verify` looks at its files.")
        require_readable(bench, request, self.batches[0], training=False)
        self.count = sum(len(batch["inputs"]) for batch in self.batches)

    def figure(self, model: nn.Module, metric: str) -> float:
        """Returns a metric of the task on these images, by the framework's own evaluator; may be NaN.

        Args:
            model: The network, in eval mode.
            metric: Its name.
        """
        evaluator = Evaluator([self._task.evaluator_of(self._meta, metric)])
        if self._dataset_meta is not None:
            evaluator.dataset_meta = self._dataset_meta
        network: Any = model
        with torch.inference_mode(), _quiet():
            for batch in self.batches:
                evaluator.process(data_samples=network.test_step(batch), data_batch=batch)
            raw = evaluator.evaluate(self.count)
        return self._task.metrics(raw, self._meta)[metric]

    def inputs(self, model: nn.Module) -> Iterator[Tensor]:
        """Yields each batch's normalised images [N, 3, H, W], as inference sees them.

        Raises:
            UnsupportedOperationError: The model has no data preprocessor that makes one tensor of them.
        """
        preprocess: Any = getattr(model, "data_preprocessor", None)
        for batch in self.batches:
            images = preprocess(batch, False)["inputs"] if preprocess is not None else None
            if not isinstance(images, Tensor):
                message = f"{type(model).__name__} has no data preprocessor that makes one tensor of a batch's images"
                raise UnsupportedOperationError(message, "Drop the section `oracle`, or give --oracle-samples 0.")
            yield images


@contextmanager
def _quiet() -> Iterator[None]:
    """Holds back the table that metrics write into the log with every evaluation: there is one a channel."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
