"""What every stage works with: the plugins it names, loaded, and the device it runs on."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.registry import init_default_scope

from harness.errors import UserError
from harness.plan.job import StageJob
from harness.registry import (
    Dataset,
    DatasetMeta,
    Registry,
    Task,
    discover,
    load_implementation,
    validate_options,
)
from harness.registry.method import Compressor, Recovery

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Workbench:
    """The surroundings of one stage.

    Attributes:
        job: What is to be done.
        registry: All plugins.
        task: The task plugin.
        scope: mmengine's default scope of the task.
        dataset: The data set plugin.
        meta: Facts about the data set.
        device: Where the stage computes.
        progress: Called with (done, total, text).
        logger: Writes to the stage's log.
    """

    job: StageJob
    registry: Registry
    task: Task
    scope: str
    dataset: Dataset[Any]
    meta: DatasetMeta
    device: torch.device
    progress: Progress
    logger: logging.Logger

    @property
    def parameters(self) -> dict[str, Any]:
        """The stage's parameters."""
        return self.job.fields.parameters

    @property
    def seed(self) -> int:
        """The cell's seed."""
        return int(self.parameters["seed"])

    @property
    def deterministic(self) -> bool:
        """Whether only deterministic algorithms may be used."""
        return bool(self.parameters["deterministic"])


def open_workbench(job: StageJob, progress: Progress) -> Workbench:
    """Loads what a stage's parameters name."""
    registry = discover(disabled=job.disabled)
    parameters = job.fields.parameters
    task: Task = load_implementation(registry.task(parameters["task"]))()
    scope = task.setup()
    init_default_scope(scope)
    dataset = _dataset(registry, parameters)
    return Workbench(
        job=job,
        registry=registry,
        task=task,
        scope=scope,
        dataset=dataset,
        meta=dataset.meta(),
        device=resolve_device(job.device),
        progress=progress,
        logger=logging.getLogger("harness.stage"),
    )


def load_compressor(bench: Workbench, call: dict[str, Any]) -> Compressor[Any]:
    """Returns the compressor that `call` ({name, options}) names."""
    plugin = bench.registry.method(call["name"])
    compressor: Compressor[Any] = load_implementation(plugin)(
        options=validate_options(plugin, call["options"], where=call["name"])
    )
    return compressor


def load_recovery(bench: Workbench, call: dict[str, Any]) -> Recovery[Any]:
    """Returns the recovery that `call` ({name, options}) names."""
    plugin = bench.registry.method(call["name"])
    recovery: Recovery[Any] = load_implementation(plugin)(
        options=validate_options(plugin, call["options"], where=call["name"])
    )
    return recovery


def model_config(bench: Workbench) -> dict[str, Any]:
    """Returns the config of the model that the stage's parameters name, adapted to the data set."""
    asked = bench.parameters["model"]
    plugin, member = bench.registry.model(bench.parameters["task"], asked["name"])
    options = validate_options(plugin, asked["options"], where=f"model {asked['name']}")
    model = load_implementation(plugin)(options=options, member=member)
    config: dict[str, Any] = model.config(bench.meta)
    return config


def resolve_device(name: str) -> torch.device:
    """Returns the device; `auto` is the first GPU if there is one.

    Raises:
        UserError: The device does not exist here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        message = f"--device: {name!r} is not a device"
        raise UserError(message, "Write auto, cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        message = f"--device: {name!r} was asked for, but torch sees no GPU here"
        raise UserError(message, "Write --device cpu, or see what `bench doctor` says about torch.")
    return device


def _dataset(registry: Registry, parameters: dict[str, Any]) -> Dataset[Any]:
    asked = parameters["dataset"]
    plugin = registry.dataset(parameters["task"], asked["name"])
    options = validate_options(plugin, asked["options"], where=f"data set {asked['name']}")
    dataset: Dataset[Any] = load_implementation(plugin)(options=options)
    return dataset
