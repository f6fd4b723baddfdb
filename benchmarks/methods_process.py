"""One measurement of `methods.py` in a process of its own: a method's `prepare`, or a plain training epoch.

Prints one line of JSON: CPU seconds and peak memory of each phase, and its backward passes.
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import torch
from engine_process import KIBIBYTE
from engine_runs import quiet, subject
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset
from zoo_gate import ZooContext  # found where engine_runs looks

from bench_pruning import method as pruning
from bench_pruning.channels.trial import tried_trace
from harness.registry import discover, validate_options
from harness.registry.plugin import load_implementation
from harness.spec.budget import TrainingBudget
from harness.spec.pipeline import parse_pipeline

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.task import Batch

EPOCH = "epoch"
"""What is measured in place of a method: a plain training."""

TRACE, REST = "trace", "rest"
"""Phases: finding channel groups and trying them, which all methods do alike, and all else."""


class CostContext(ZooContext):
    """A method's door to a number of noise images; all its trainings are plain epochs.

    Args:
        given: Its model and task.
        images: How many images there are.
        batch_size: Images a batch, of calibration and of trainings.
    """

    def __init__(self, given: ZooContext, images: int, batch_size: int) -> None:
        super().__init__(given.model)
        self._images, self._batch_size = images, batch_size
        optimizer = {"type": "SGD", "lr": 0.01, "momentum": 0.9, "weight_decay": 5e-4}
        self.budget = TrainingBudget(iterations=-(-images // batch_size), batch_size=batch_size, optimizer=optimizer)

    def calibration_batches(self, samples: int | None = None) -> Iterator[Batch]:
        """See `Context.calibration_batches`; a batch is made when it is asked for."""
        wanted = samples or self._images
        for first in range(0, wanted, self._batch_size):
            yield self.model.batch(self.seed + first, images=min(self._batch_size, wanted - first))

    def train(self, model: nn.Module, budget: TrainingBudget, purpose: str, hooks: Sequence[Any] = ()) -> int:
        """Trains by mmengine's runner as it is, without checkpoints; see `Context.train`."""
        batches = DataLoader(_Batches(self, budget), batch_size=1, collate_fn=_only_one)
        with TemporaryDirectory() as folder:
            runner = Runner(
                model=model,
                work_dir=folder,
                train_dataloader=batches,
                train_cfg={"type": "IterBasedTrainLoop", "max_iters": budget.iterations},
                optim_wrapper={"type": "OptimWrapper", "optimizer": dict(budget.optimizer)},
                default_hooks={"checkpoint": None},
                custom_hooks=list(hooks),
                default_scope="mmseg",
                experiment_name=purpose,
                log_level="ERROR",
            )
            runner.train()
        return int(runner.iter)


class _Batches(Dataset["Batch"]):
    """As many different batches as a budget has iterations."""

    def __init__(self, context: CostContext, budget: TrainingBudget) -> None:
        self._context, self._budget = context, budget

    def __len__(self) -> int:
        return self._budget.iterations

    def __getitem__(self, number: int) -> Batch:
        size = self._budget.batch_size
        return self._context.model.batch(self._context.seed + number * size, images=size)


def _only_one(batches: list[Batch]) -> Batch:
    (batch,) = batches
    return batch


class Meter:
    """CPU seconds, peak memory and backward passes of what runs, by phase; a phase may run several times.

    Attributes:
        seconds: CPU seconds of this process.
        peaks: The largest resident size above that at the beginning, in bytes.
        passes: Number of backward passes.
        pass_seconds: CPU seconds of these.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.peaks: dict[str, int] = defaultdict(int)
        self.passes: dict[str, int] = defaultdict(int)
        self.pass_seconds: dict[str, float] = defaultdict(float)
        self._running, self._began = "", 0.0
        gc.collect()
        self._note()
        self._resident = _memory("VmRSS")

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measures what runs in the block; a phase that it interrupts goes on behind it."""
        interrupted = self._running
        self._note()
        self._running = name
        try:
            yield
        finally:
            self._note()
            self._running = interrupted

    def interrupting(self, name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function as a phase of its own."""

        def run(*args: Any, **kwargs: Any) -> Any:
            with self.phase(name):
                return action(*args, **kwargs)

        return run

    def counting(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        """Returns the function that runs a backward pass as one that is counted."""

        def run(*args: Any, **kwargs: Any) -> Any:
            began = time.process_time()
            result = backward(*args, **kwargs)
            self.passes[self._running] += 1
            self.pass_seconds[self._running] += time.process_time() - began
            return result

        return run

    def _note(self) -> None:
        """Ends what is measured since the last note, and begins anew, without the freed memory that glibc keeps."""
        if self._running:
            self.seconds[self._running] += time.process_time() - self._began
            peak = _memory("VmHWM") - self._resident
            self.peaks[self._running] = max(self.peaks[self._running], peak)
        ctypes.CDLL(None).malloc_trim(0)
        # Makes the kernel forget the largest resident size so far (proc(5), Linux 4.0).
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._began = time.process_time()


def main() -> None:
    """Measures what the arguments say: `epoch` or a method as in a pipeline, a model, size, images, images a batch."""
    what, name, size, images, batch_size = sys.argv[1:]
    quiet()
    given = subject(name, int(size))
    context = CostContext(given.context, int(images), int(batch_size))
    action = _epoch(context) if what == EPOCH else _prepare(what, context)
    meter = Meter()
    with (
        patch.object(torch.Tensor, "backward", meter.counting(torch.Tensor.backward)),
        patch.object(pruning, "tried_trace", meter.interrupting(TRACE, tried_trace)),
        meter.phase(REST),
    ):
        action(given.model)
    print(json.dumps({name: value for name, value in vars(meter).items() if not name.startswith("_")}))


def _epoch(context: CostContext) -> Callable[[nn.Module], Any]:
    return lambda model: context.train(model, context.budget, EPOCH)


def _prepare(text: str, context: CostContext) -> Callable[[nn.Module], Any]:
    """Returns what runs the `prepare` of a method, with the setting that it is written with."""
    call = parse_pipeline(text).steps[0].calls[0]
    plugin = discover().method(call.name)
    options = validate_options(plugin, call.options)
    context.prepare_key = plugin.descriptor.prepare_key(call.setting, options)
    method = load_implementation(plugin)(options=options)
    return lambda model: method.prepare(model, context)


def _memory(of: str) -> int:
    """Returns a resident size of this process in bytes: `VmRSS` is that of now, `VmHWM` the largest."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{of}:")) * KIBIBYTE


if __name__ == "__main__":
    main()
