"""The plan: a benchmark's cells and the graph of the stages that they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from harness.collector import collector_paused
from harness.errors import UserError
from harness.plan.cell import Cell, ModelPoint, PlannedCell
from harness.plan.checkpoint import require_uncompressed
from harness.plan.choice import Choices
from harness.plan.drawing import Drawer
from harness.plan.expansion import baseline_places, choose_datasets, choose_models, choose_task, expand, names_methods
from harness.plan.stage import Stage
from harness.registry import MethodDescriptor, Metric, Registry, TaskDescriptor
from harness.spec.benchmark import Benchmark, PluginChoice

_Named = TypeVar("_Named", bound=PluginChoice)


@dataclass(frozen=True)
class Plan:
    """What a benchmark asks for.

    Attributes:
        benchmark: As file and flags state it.
        task: Its task.
        methods: Descriptors of all methods in its pipelines, by the name they are written with.
        cells: Its cells, each with its stages.
        asked: Its cells, those that a limit leaves out included.
        controls_left_out: Automatic controls that cannot be drawn, with the reason.
        primaries: The metric by which cells are compared, by the name of their data set.
        baselines: The baselines of a benchmark without methods, which has no cells.
    """

    benchmark: Benchmark
    task: TaskDescriptor
    methods: dict[str, MethodDescriptor]
    cells: tuple[PlannedCell, ...]
    asked: tuple[Cell, ...]
    controls_left_out: tuple[str, ...] = ()
    primaries: Mapping[str, Metric] = field(default_factory=dict)
    baselines: tuple[ModelPoint, ...] = ()

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, each once and behind its inputs."""
        ordered: dict[Stage, None] = {}
        for point in self.baselines:
            ordered.update(dict.fromkeys((point.made, point.evaluated)))
        for cell in self.cells:
            for stage in cell.stages:
                ordered.setdefault(stage)
        return tuple(ordered)


def make_plan(
    benchmark: Benchmark,
    registry: Registry,
    *,
    device: str = "auto",
    limit: int | None = None,
    methods_required: bool = True,
) -> Plan:
    """Returns the plan of a benchmark.

    Args:
        benchmark: What was asked for.
        registry: All plugins.
        device: The device that was asked for; only the identity of `measure` depends on it.
        limit: Only the first so many cells, or baselines.
        methods_required: Whether a benchmark without methods is a mistake; without any there are only baselines.

    Raises:
        UserError: The benchmark does not fit the plugins; the message says where.
    """
    task = choose_task(benchmark, registry)
    models = _by_name(choose_models(benchmark, task), "models")
    datasets = _by_name(choose_datasets(benchmark, task), "datasets")
    choices = Choices(registry, task, models, datasets, benchmark.protocol)
    drawer = Drawer(benchmark, choices, device)
    primaries = {name: choices.primary(name) for name in datasets}
    if not methods_required and not names_methods(benchmark):
        baselines = tuple(drawer.baseline(place) for place in baseline_places(benchmark, task)[:limit])
        return Plan(benchmark, task, methods={}, cells=(), asked=(), primaries=primaries, baselines=baselines)
    with collector_paused():
        grid = expand(benchmark, choices)
        asked = grid.cells
        _require_uncompressed_baselines(asked, choices)
        cells = asked[:limit]
        planned = tuple(drawer.draw(cell) for cell in cells)
    names = {call.name for cell in asked for step in cell.pipeline.steps for call in step.calls}
    return Plan(
        benchmark=benchmark,
        task=task,
        methods={name: choices.describe(name) for name in names},
        cells=planned,
        asked=asked,
        controls_left_out=grid.left_out,
        primaries=primaries,
    )


def _require_uncompressed_baselines(cells: Sequence[Cell], choices: Choices) -> None:
    """What is compressed already may be evaluated and recovered; what cells say of compressors is about a whole model.

    Raises:
        UserError: A model that is to be compressed is given as the artifact of a compressed one.
    """
    compressed = {
        cell.model
        for cell in cells
        for step in cell.pipeline.steps
        if choices.describe(step.calls[0].name).kind == "compressor"
    }
    for model in sorted(compressed):
        checkpoint = choices.checkpoint(model)
        if checkpoint is not None:
            require_uncompressed(checkpoint)


def _by_name(choices: Sequence[_Named], key: str) -> dict[str, _Named]:
    """A cell is named by its model and data set, so each may be chosen once, with one set of options."""
    chosen: dict[str, _Named] = {}
    for choice in choices:
        if choice.name in chosen:
            message = f"{key}: {choice.name!r} is listed twice"
            raise UserError(message, "One benchmark has each name once; put other options into another benchmark.")
        chosen[choice.name] = choice
    return chosen
