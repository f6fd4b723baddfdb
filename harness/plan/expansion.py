"""From a benchmark to its cells: the grid, checked against what the plugins can do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

from harness.errors import UserError
from harness.plan.cell import Cell, Place
from harness.plan.choice import Choices
from harness.plan.controls import AutomaticControls
from harness.plan.protection import protected_call, protected_calls
from harness.registry import MethodDescriptor, Registry, TaskDescriptor
from harness.spec.benchmark import Benchmark, MethodEntry, ModelChoice, PluginChoice
from harness.spec.exclusion import excluded
from harness.spec.method_entry import method_variants
from harness.spec.pipeline import MethodCall, Pipeline, Step, parse_pipeline, with_default_recoveries
from harness.spec.setting import Setting

Role = Literal["candidate", "control"]


@dataclass(frozen=True)
class Grid:
    """The cells of a benchmark.

    Attributes:
        cells: In a stable order, none twice.
        left_out: Automatic controls that cannot be drawn, with the reason.
    """

    cells: tuple[Cell, ...]
    left_out: tuple[str, ...]


def choose_task(benchmark: Benchmark, registry: Registry) -> TaskDescriptor:
    """Returns the benchmark's task: the one it names, or the only one that it can mean.

    Raises:
        UserError: No task fits, or several do.
    """
    if benchmark.task is not None:
        return registry.task(benchmark.task).descriptor
    tasks = [entry.descriptor for entry in registry.entries("bench.tasks") if entry.descriptor is not None]
    fitting = [task for task in tasks if isinstance(task, TaskDescriptor) and _fits(task, benchmark, registry)]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and len(tasks) == 1:
        return registry.task(tasks[0].name).descriptor
    names = ", ".join(task.name for task in tasks) or "none is installed"
    message = "the benchmark names no task, and it could be several" if fitting else "the benchmark names no task"
    raise UserError(message, f"Say --task NAME, or `task:` in the benchmark file. Tasks: {names}")


def choose_models(benchmark: Benchmark, task: TaskDescriptor) -> Sequence[ModelChoice]:
    """Returns the benchmark's models, or the task's demo model where it names none."""
    return benchmark.models or (ModelChoice(name=_demo(task.demo_model, "--models", task)),)


def choose_datasets(benchmark: Benchmark, task: TaskDescriptor) -> Sequence[PluginChoice]:
    """Returns the benchmark's data sets, or the task's demo data set where it names none."""
    return benchmark.datasets or (PluginChoice(name=_demo(task.demo_dataset, "--datasets", task)),)


def expand(benchmark: Benchmark, choices: Choices) -> Grid:
    """Returns the cells of a benchmark.

    Args:
        benchmark: What was asked for.
        choices: The plugins that it chooses.

    Raises:
        UserError: A name is unknown, a setting does not fit its method, or there is nothing to run.
    """
    task = choices.task
    stated = _protected(list(_pipelines(benchmark, choices)), benchmark, choices)
    if not stated:
        hint = "Say e.g. --methods fpgm,l1 --ratios 0.2,0.5, or --pipelines fpgm@0.5; `bench list methods` shows all."
        message = "the benchmark names no method and no pipeline"
        raise UserError(message, hint)
    controls = AutomaticControls(choices, lambda written: _finished(written, benchmark, choices))
    cells: dict[str, Cell] = {}
    for place in _product(benchmark, task):
        kept = _kept(stated, place, benchmark, task)
        if benchmark.controls is None:
            beside = controls.beside(cell.pipeline for cell in kept)
            kept += _kept([(pipeline, "control") for pipeline in beside], place, benchmark, task)
        for cell in kept:  # what is a candidate too comes first as one
            cells.setdefault(cell.name, cell)
    if not cells:
        message = "exclude: its rules drop every cell"
        raise UserError(message, "Loosen a rule of `exclude`.")
    return Grid(tuple(cells.values()), controls.left_out())


def names_methods(benchmark: Benchmark) -> bool:
    """Returns whether the benchmark has anything beside baselines."""
    return bool(benchmark.methods or benchmark.pipelines or benchmark.controls)


def baseline_places(benchmark: Benchmark, task: TaskDescriptor) -> tuple[Place, ...]:
    """Returns where the baselines of a benchmark without methods stand.

    Raises:
        UserError: Rules exclude all of them.
    """
    found = tuple(
        Place(
            task=task.name,
            model=model.name,
            dataset=dataset.name,
            seed=seed,
            protocol=benchmark.protocol,
            ratio_of=benchmark.ratio_of,
        )
        for model, dataset, seed in _product(benchmark, task)
    )
    kept = tuple(place for place in found if not _is_excluded(_facts_of_place(place), benchmark))
    if not kept:
        message = "exclude: its rules drop every baseline"
        raise UserError(message, "Loosen a rule of `exclude`.")
    return kept


def _product(benchmark: Benchmark, task: TaskDescriptor) -> Iterator[tuple[ModelChoice, PluginChoice, int]]:
    return product(choose_models(benchmark, task), choose_datasets(benchmark, task), benchmark.seeds)


def _kept(
    pipelines: Iterable[tuple[Pipeline, Role]],
    place: tuple[ModelChoice, PluginChoice, int],
    benchmark: Benchmark,
    task: TaskDescriptor,
) -> list[Cell]:
    """Returns the cells of one model, data set and seed that no rule excludes."""
    model, dataset, seed = place
    cells = (
        Cell(
            task=task.name,
            model=model.name,
            dataset=dataset.name,
            pipeline=pipeline,
            seed=seed,
            protocol=benchmark.protocol,
            ratio_of=benchmark.ratio_of,
            role=role,
        )
        for pipeline, role in pipelines
    )
    return [cell for cell in cells if not benchmark.exclude or not _is_excluded(facts_of(cell), benchmark)]


def facts_of(cell: Cell) -> dict[str, Any]:
    """Returns what rules may ask of a cell; see `harness.spec.cell_rule.CellRule.matches`."""
    calls = [call for step in cell.pipeline.steps for call in step.calls]
    settings = [call.setting for call in calls]
    return {
        **_facts_of_place(cell),
        "method": [call.name for call in calls],
        "ratio": [setting for setting in settings if isinstance(setting, float)],
        "precision": [setting for setting in settings if isinstance(setting, str)],
        "pipeline": str(cell.pipeline),
    }


def _facts_of_place(place: Place) -> dict[str, Any]:
    return {"model": place.model, "dataset": place.dataset, "seed": place.seed}


def _is_excluded(facts: Mapping[str, Any], benchmark: Benchmark) -> bool:
    return any(excluded(rule, facts) for rule in benchmark.exclude)


def _fits(task: TaskDescriptor, benchmark: Benchmark, registry: Registry) -> bool:
    if not benchmark.models and not benchmark.datasets:
        return bool(task.demo_model and task.demo_dataset)
    try:
        for model in benchmark.models:
            registry.model(task.name, model.name)
        for dataset in benchmark.datasets:
            registry.dataset(task.name, dataset.name)
    except UserError:
        return False
    return True


def _demo(name: str, flag: str, task: TaskDescriptor) -> str:
    if not name:
        message = f"{flag}: nothing is named, and task {task.name} has no demo"
        raise UserError(message, f"`bench list {flag.removeprefix('--')}` shows what there is.")
    return name


def _pipelines(benchmark: Benchmark, choices: Choices) -> Iterator[tuple[Pipeline, Role]]:
    for entry in benchmark.methods:
        yield from _grid(entry, benchmark, choices, "candidate")
    for text in benchmark.pipelines:
        yield _complete(parse_pipeline(text, "--pipelines"), benchmark, choices), "candidate"
    for entry in benchmark.controls or ():
        yield from _grid(entry, benchmark, choices, "control")


def _protected(
    pipelines: list[tuple[Pipeline, Role]], benchmark: Benchmark, choices: Choices
) -> list[tuple[Pipeline, Role]]:
    """Returns the pipelines with the benchmark's `protect` in the options of all methods that take it."""
    if not benchmark.protect or not pipelines:
        return pipelines
    calls = [call for pipeline, _ in pipelines for step in pipeline.steps for call in step.calls]
    protected = iter(protected_calls(calls, benchmark.protect, choices.describe))
    return [
        (Pipeline(tuple(Step(tuple(next(protected) for _ in step.calls)) for step in pipeline.steps)), role)
        for pipeline, role in pipelines
    ]


def _grid(entry: MethodEntry, benchmark: Benchmark, choices: Choices, role: Role) -> Iterator[tuple[Pipeline, Role]]:
    for call in method_variants(entry):
        for setting in _settings(choices.describe(call.name), benchmark):
            written = Pipeline((Step((MethodCall(call.name, setting, call.options),)),))
            yield _complete(written, benchmark, choices), role


def _settings(descriptor: MethodDescriptor, benchmark: Benchmark) -> Sequence[Setting | None]:
    if descriptor.axis is None:
        return (None,)
    flag = "--ratios" if descriptor.axis == "ratio" else "--precisions"
    values: tuple[Setting, ...] = benchmark.ratios if descriptor.axis == "ratio" else benchmark.precisions
    if not values:
        example = "0.2,0.5" if descriptor.axis == "ratio" else "int8"
        message = f"{flag}: method {descriptor.name} needs a {descriptor.axis} and none is given"
        raise UserError(message, f"Say e.g. {flag} {example}")
    return values


def _complete(written: Pipeline, benchmark: Benchmark, choices: Choices) -> Pipeline:
    pipeline = with_default_recoveries(written, choices.describe)
    for step in pipeline.steps:
        for call in step.calls:
            choices.method(call)  # its options are checked first
            require_setting(call, choices.describe(call.name), benchmark.ratio_of)
    return pipeline


def _finished(written: Pipeline, benchmark: Benchmark, choices: Choices) -> Pipeline:
    """Returns a control as the benchmark runs it: complete, and with `protect` in the options that take it."""
    pipeline = _complete(written, benchmark, choices)
    patterns, describe = benchmark.protect, choices.describe
    return Pipeline(
        tuple(
            Step(tuple(protected_call(call, patterns, describe(call.name)) for call in step.calls))
            for step in pipeline.steps
        )
    )


def require_setting(call: MethodCall, descriptor: MethodDescriptor, ratio_of: str = "channels") -> None:
    """Raises if a call's setting is none of its method's axis.

    Raises:
        UserError: There is one too many or too few, or it is of another kind or out of range.
    """
    setting = call.setting
    if descriptor.axis is None and setting is not None:
        message = f"{call}: method {call.name} takes no setting"
        raise UserError(message, f"Write {call.name} without @.")
    if descriptor.axis is not None and setting is None:
        message = f"{call}: method {call.name} needs a {descriptor.axis}"
        raise UserError(message, f"Write e.g. {call.name}@{'0.5' if descriptor.axis == 'ratio' else 'int8'}.")
    if descriptor.axis == "ratio":
        _check_ratio(call, descriptor, ratio_of)
    if descriptor.axis == "precision" and isinstance(setting, float):
        message = f"{call}: {setting} is not a precision"
        raise UserError(message, f"Write e.g. {call.name}@int8.")


def _check_ratio(call: MethodCall, descriptor: MethodDescriptor, ratio_of: str) -> None:
    if not isinstance(call.setting, float) or not 0 <= call.setting < 1:
        message = f"{call}: the setting of {call.name} is not a ratio: it must be at least 0 and below 1"
        raise UserError(message, f"Write e.g. {call.name}@0.5, which removes half.")
    if ratio_of not in descriptor.ratio_targets:
        message = f"--ratio-of {ratio_of}: method {call.name} cannot aim at it"
        raise UserError(message, f"It can aim at: {', '.join(descriptor.ratio_targets)}")
