"""Stage `measure`: latency of the candidate against the baseline; runs alone on its host."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from harness.engine.latency import interleave, quantiles_ms, ratio_interval
from harness.engine.seeding import derive_seed
from harness.engine.stages.models import load_input
from harness.engine.workbench import Workbench
from harness.errors import UserError


def run_measure(bench: Workbench) -> dict[str, Any]:
    """Times both models on the same images and returns the latency block of the record."""
    asked = bench.parameters["measurement"]
    _require_planned_device(bench)
    height, width = bench.meta.input_size
    generator = torch.Generator().manual_seed(derive_seed(0, "measure"))
    images = torch.randn((asked["batch_size"], 3, height, width), generator=generator).to(bench.device)
    with _threads(asked["threads"]), torch.inference_mode():
        samples = interleave(
            _forward(bench, load_input(bench, "baseline").model, images),
            _forward(bench, load_input(bench, "candidate").model, images),
            rounds=asked["rounds"],
            warmup_seconds=asked["warmup_seconds"],
            synchronize=_synchronizer(bench.device),
            progress=lambda done, total: bench.progress(done, total, ""),
        )
    interval = ratio_interval(samples)
    return {
        "latency": {
            "baseline_ms": quantiles_ms(samples.baseline),
            "candidate_ms": quantiles_ms(samples.candidate),
            "ratio": interval.ratio,
            "ratio_low": interval.low,
            "ratio_high": interval.high,
            "verdict": interval.verdict,
            "rounds": asked["rounds"],
            "batch_size": asked["batch_size"],
            "input_size": [height, width],
            "dtype": str(images.dtype).removeprefix("torch."),
            "threads": asked["threads"],
            "runtime": f"torch {torch.__version__} eager",
            "device": _device_name(bench.device),
        }
    }


def _require_planned_device(bench: Workbench) -> None:
    """The plan tells `auto` without torch, which may see less than the machine has; identities must not lie.

    Raises:
        UserError: Torch computes on another kind of device than was planned for.
    """
    planned = str(bench.parameters["hardware"]["device"])
    if planned.partition(":")[0] != bench.device.type:
        message = f"the measurement was planned for {planned}, but torch computes on {bench.device.type} here"
        raise UserError(message, f"Run again with --device {bench.device.type}.")


def _forward(bench: Workbench, model: nn.Module, images: torch.Tensor) -> Callable[[], object]:
    return lambda: bench.task.predict(model, images)


def _synchronizer(device: torch.device) -> Callable[[], None]:
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    return lambda: None


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
