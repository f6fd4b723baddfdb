"""The first batch, looked at before anything is computed from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mmengine.hooks import Hook

from harness.engine.samples import guarded_loader
from harness.engine.workbench import Workbench
from harness.errors import DataError
from harness.registry import Batch, LoaderRequest


def open_loader(bench: Workbench, request: LoaderRequest) -> dict[str, Any]:
    """Returns the loader config of the stage's data set; its errors name data set and sample."""
    asked = replace(request, workers=bench.job.loader_workers)
    return guarded_loader(bench.dataset.loader(asked), _name(bench, request))


def require_readable(bench: Workbench, request: LoaderRequest, batch: Batch, *, training: bool) -> None:
    """Looks whether a batch is what the task reads.

    Args:
        bench: The stage's surroundings.
        request: What the loader was asked for.
        batch: What it gave.
        training: Whether a loss is computed from it, or it is evaluated.

    Raises:
        DataError: It is not; the message names data set and sample, what was found and what was expected.
    """
    problem = bench.task.batch_problem(batch, bench.meta, training=training)
    if problem:
        message = f"{_name(bench, request)}: {problem}"
        hint = "Mend the data set, or the plugin that reads it, then run again with --retry data_error."
        raise DataError(message, hint)


class FirstBatchHook(Hook):
    """Requires the first batch of a training or an evaluation to be readable.

    Args:
        bench: The stage's surroundings.
        request: What the loader was asked for.
    """

    priority = "VERY_HIGH"

    def __init__(self, bench: Workbench, request: LoaderRequest) -> None:
        self._bench = bench
        self._request = request
        self._looked = False

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Looks at the first batch, also at that of a training which goes on."""
        self._look(data_batch, training=True)

    def before_test_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        """Looks at the first batch."""
        self._look(data_batch, training=False)

    def _look(self, batch: Batch, *, training: bool) -> None:
        if not self._looked:
            self._looked = True
            require_readable(self._bench, self._request, batch, training=training)


def _name(bench: Workbench, request: LoaderRequest) -> str:
    return f"data set {bench.parameters['dataset']['name']} ({request.split})"
