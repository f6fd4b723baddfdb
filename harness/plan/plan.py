"""The plan: a benchmark's cells and the graph of the stages that they share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from harness.collector import collector_paused
from harness.errors import UserError
from harness.plan.cell import Cell, PlannedCell
from harness.plan.choice import Choices
from harness.plan.drawing import Drawer
from harness.plan.expansion import choose_datasets, choose_models, choose_task, expand
from harness.plan.stage import Stage
from harness.registry import MethodDescriptor, Registry, TaskDescriptor
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
    """

    benchmark: Benchmark
    task: TaskDescriptor
    methods: dict[str, MethodDescriptor]
    cells: tuple[PlannedCell, ...]
    asked: tuple[Cell, ...]
    controls_left_out: tuple[str, ...] = ()

    @cached_property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, each once and behind its inputs."""
        ordered: dict[Stage, None] = {}
        for cell in self.cells:
            for stage in cell.stages:
                ordered.setdefault(stage)
        return tuple(ordered)


def make_plan(benchmark: Benchmark, registry: Registry, *, device: str = "auto", limit: int | None = None) -> Plan:
    """Returns the plan of a benchmark.

    Args:
        benchmark: What was asked for.
        registry: All plugins.
        device: The device that was asked for; only the identity of `measure` depends on it.
        limit: Only the first so many cells.

    Raises:
        UserError: The benchmark does not fit the plugins; the message says where.
    """
    task = choose_task(benchmark, registry)
    models = _by_name(choose_models(benchmark, task), "models")
    datasets = _by_name(choose_datasets(benchmark, task), "datasets")
    choices = Choices(registry, task, models, datasets)
    drawer = Drawer(benchmark, choices, device)
    with collector_paused():
        grid = expand(benchmark, choices)
        asked = grid.cells
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
    )


def _by_name(choices: Sequence[_Named], key: str) -> dict[str, _Named]:
    """A cell is named by its model and data set, so each may be chosen once, with one set of options."""
    chosen: dict[str, _Named] = {}
    for choice in choices:
        if choice.name in chosen:
            message = f"{key}: {choice.name!r} is listed twice"
            raise UserError(message, "One benchmark has each name once; put other options into another benchmark.")
        chosen[choice.name] = choice
    return chosen
