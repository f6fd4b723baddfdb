"""The plan: a benchmark's cells and the graph of the stages that they share."""

from __future__ import annotations

from dataclasses import dataclass

from harness.plan.cell import PlannedCell
from harness.plan.drawing import Drawer
from harness.plan.expansion import choose_datasets, choose_models, choose_task, expand
from harness.plan.stage import Stage
from harness.registry import MethodDescriptor, Registry, TaskDescriptor
from harness.spec.benchmark import Benchmark


@dataclass(frozen=True)
class Plan:
    """What a benchmark asks for.

    Attributes:
        benchmark: As file and flags state it.
        task: Its task.
        methods: Descriptors of all methods in its pipelines, by the name they are written with.
        cells: Its cells, each with its stages.
    """

    benchmark: Benchmark
    task: TaskDescriptor
    methods: dict[str, MethodDescriptor]
    cells: tuple[PlannedCell, ...]

    @property
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
    models = {choice.name: choice for choice in choose_models(benchmark, task)}
    datasets = {choice.name: choice for choice in choose_datasets(benchmark, task)}
    cells = expand(benchmark, registry)[:limit]
    drawer = Drawer(benchmark, registry, models, datasets, device)
    names = {call.name for cell in cells for step in cell.pipeline.steps for call in step.calls}
    return Plan(
        benchmark=benchmark,
        task=task,
        methods={name: registry.method(name).descriptor for name in names},
        cells=tuple(drawer.draw(cell) for cell in cells),
    )
