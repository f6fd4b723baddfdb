"""What every stage works with: the plugins it names, loaded, and the device it runs on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.registry import init_default_scope

from harness.errors import UserError
from harness.plan.job import StageJob
from harness.plan.member import MemberJob
from harness.registry import (
    Dataset,
    DatasetMeta,
    Model,
    ModelDescriptor,
    Plugin,
    Registry,
    Task,
    discover,
    load_implementation,
    validate_options,
)
from harness.registry.method import Compressor, Recovery
from harness.spec.config_path import is_config_path

Progress = Callable[[int, int, str], None]
Launch = Callable[[Sequence[str], Path], None]
"""Has processes on these devices do the stage's training, the first of which leaves the weights in the file."""


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
        launch: Has the stage's training done by several processes; `None` where nothing can start them.
        member: Which of these processes this one is; `None` if it does the whole stage.
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
    launch: Launch | None = None
    member: MemberJob | None = None

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
    device = use_device(job.device)
    registry = discover(disabled=job.disabled)
    _require_planned_sources(job, registry)
    task: Task = load_implementation(registry.task(job.fields.parameters["task"]))()
    scope = task.setup()
    init_default_scope(scope)
    dataset = _dataset(registry, job)
    return Workbench(
        job=job,
        registry=registry,
        task=task,
        scope=scope,
        dataset=dataset,
        meta=dataset.meta(),
        device=device,
        progress=progress,
        logger=logging.getLogger("harness.stage"),
    )


def load_compressor(bench: Workbench) -> Compressor[Any]:
    """Returns the compressor of the stage's parameters."""
    compressor: Compressor[Any] = _load_method(bench, bench.parameters["method"], "method")
    return compressor


def load_recoveries(bench: Workbench) -> list[Recovery[Any]]:
    """Returns the recoveries of the stage's parameters, which form one training."""
    return [_load_method(bench, call, f"method.{call['name']}") for call in bench.parameters["methods"]]


def _load_method(bench: Workbench, call: dict[str, Any], role: str) -> Any:
    plugin = bench.registry.method(_qualified(bench.job, role, call["name"]))
    return load_implementation(plugin)(options=validate_options(plugin, call["options"], where=call["name"]))


def _qualified(job: StageJob, role: str, name: str) -> str:
    """The plan says which distribution's plugin is meant, should two claim the name."""
    return f"{job.fields.plugins[role]['distribution']}:{name}"


def model_config(bench: Workbench) -> dict[str, Any]:
    """Returns the config of the model that the stage's parameters name, adapted to the data set."""
    config: dict[str, Any] = load_model_plugin(bench).config(bench.meta)
    return config


def load_model_plugin(bench: Workbench) -> Model[Any]:
    """Returns the model that the stage's parameters name."""
    plugin, member = find_model(bench)
    asked = bench.parameters["model"]
    written = {**asked["options"], **bench.job.paths.get("model", {})}
    options = validate_options(plugin, written, where=f"model {asked['name']}")
    model: Model[Any] = load_implementation(plugin)(options=options, member=member)
    return model


def find_model(bench: Workbench) -> tuple[Plugin[ModelDescriptor], str]:
    """Returns the plugin of the model that the stage's parameters name, and which member of it, if it is a zoo.

    Raises:
        UserError: The files that it is made from were changed since planning.
    """
    asked = bench.parameters["model"]
    name, member = asked["name"], asked["member"]
    qualified = _qualified(bench.job, "model", name) + (f"::{member}" if member else "")
    found = member if is_config_path(member) and Path(member).is_absolute() else qualified
    plugin, member = bench.registry.model(bench.parameters["task"], found)
    if asked.get("content") != plugin.descriptor.fingerprint(member):
        message = f"model {member or name}: was changed while the run was going on"
        raise UserError(message, "Run the same command again: what depends on it will be run anew.")
    return plugin, member


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
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        message = f"--device: there is no {name!r} here, torch sees {torch.cuda.device_count()} GPU(s)"
        raise UserError(message, "Write cuda for the first one.")
    return device


def use_device(name: str) -> torch.device:
    """Resolves the device and makes it mmengine's too: its Runner would move models to any GPU that it sees."""
    import mmengine.device.utils

    device = resolve_device(name)
    mmengine.device.utils.DEVICE = str(device)
    return device


def _require_planned_sources(job: StageJob, registry: Registry) -> None:
    """Editable plugins may be edited between planning and now; their results would carry the old source's name.

    Raises:
        UserError: It names the distribution.
    """
    now = registry.sources(_extension_groups(job, registry))
    for planned in job.fields.plugins.values():
        name = str(planned["distribution"])
        if planned["source"] is not None and now.get(name) != planned["source"]:
            message = f"the source of {name} was changed while the run was going on"
            raise UserError(message, "Run the same command again: what depends on it will be run anew.")


def _extension_groups(job: StageJob, registry: Registry) -> set[str]:
    """Returns the groups by which other distributions change what the stage's compressor does."""
    asked = job.fields.parameters.get("method")
    if asked is None:
        return set()
    return set(registry.method(_qualified(job, "method", asked["name"])).descriptor.extended_by)


def _dataset(registry: Registry, job: StageJob) -> Dataset[Any]:
    parameters = job.fields.parameters
    asked = parameters["dataset"]
    plugin = registry.dataset(parameters["task"], _qualified(job, "dataset", asked["name"]))
    written = {**asked["options"], **job.paths.get("dataset", {})}
    options = validate_options(plugin, written, where=f"data set {asked['name']}")
    dataset: Dataset[Any] = load_implementation(plugin)(options=options)
    return dataset
