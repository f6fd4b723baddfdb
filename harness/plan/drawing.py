"""From cells to stages: each step of a pipeline drawn as `prepare -> compress -> recover -> evaluate`.

Stages with equal identities are one object, so that cells share them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from harness.errors import UserError
from harness.plan.cell import Cell, ModelPoint, PlannedCell
from harness.plan.hardware import hardware
from harness.plan.identity import StageFields
from harness.plan.stage import Stage
from harness.registry import Options, Plugin, Registry, validate_options
from harness.spec.benchmark import Benchmark, PluginChoice
from harness.spec.budget import TrainingBudget, completed_budget
from harness.spec.pipeline import MethodCall, Step
from harness.spec.setting import setting_json
from harness.store.stage import StageKind


@dataclass(frozen=True)
class _Chosen:
    """A plugin with validated options, as identities see it."""

    plugin: Plugin[Any]
    options: Options
    json: dict[str, Any]


class Drawer:
    """Draws the stages of one benchmark's cells.

    Args:
        benchmark: The benchmark.
        registry: All plugins.
        models: Model choices by name.
        datasets: Data set choices by name.
        device: The device that was asked for; only `measure` depends on it.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        registry: Registry,
        models: Mapping[str, PluginChoice],
        datasets: Mapping[str, PluginChoice],
        device: str,
    ) -> None:
        self._benchmark = benchmark
        self._registry = registry
        self._models = models
        self._datasets = datasets
        self._device = device
        self._stages: dict[Stage, Stage] = {}
        self._chosen: dict[tuple[str, str, str], _Chosen] = {}
        self._fingerprints: dict[tuple[str, str, str], str] = {}

    def draw(self, cell: Cell) -> PlannedCell:
        """Returns the cell with its stages."""
        trained = self._train(cell)
        points = [ModelPoint("baseline", "baseline", trained, self._evaluate(cell, trained, "baseline"))]
        prepared: list[Stage] = []
        for step in cell.pipeline.steps:
            self._draw_step(cell, step, points, prepared)
        measured = self._measure(cell, points[-1].made, trained)
        return PlannedCell(cell, tuple(points), tuple(prepared), measured)

    def _draw_step(self, cell: Cell, step: Step, points: list[ModelPoint], prepared: list[Stage]) -> None:
        descriptors = [self._registry.method(call.name).descriptor for call in step.calls]
        source = points[-1].made
        if descriptors[0].kind == "compressor":
            call = step.calls[0]
            state = self._prepare(cell, call, source) if descriptors[0].has_prepare else None
            prepared.extend([state] if state else [])
            made = self._compress(cell, call, source, state)
            points.append(ModelPoint(str(call), "compress", made, self._evaluate(cell, made, str(call))))
        elif all(descriptor.trains for descriptor in descriptors):
            made = self._recover(cell, step, source, points[-1].step)
            points.append(
                ModelPoint(str(step), "recover", made, self._evaluate(cell, made, f"{step} after {points[-1].step}"))
            )
        elif any(descriptor.trains for descriptor in descriptors):
            message = f"{step}: `none` cannot be joined with a training"
            raise UserError(message, "Drop it, or drop the other recoveries.")

    def _train(self, cell: Cell) -> Stage:
        model = self._model(cell)
        return self._stage(
            cell,
            "train",
            f"train {cell.model}",
            {
                "model": model.json,
                "training": self._budget(model, "training").model_dump(mode="json"),
                "seed": cell.seed,
                "protocol": cell.protocol,
            },
            plugins={"model": model},
        )

    def _prepare(self, cell: Cell, call: MethodCall, source: Stage) -> Stage:
        method = self._method(call)
        key = method.plugin.descriptor.prepare_key(call.setting, method.options)
        shown = call.name if key is None else str(call)
        parameters = {"method": method.json, "key": key, **self._method_parameters(cell, method)}
        return self._stage(
            cell,
            "prepare",
            f"prepare {shown}",
            parameters,
            inputs={"model": source},
            plugins={"method": method},
        )

    def _compress(self, cell: Cell, call: MethodCall, source: Stage, state: Stage | None) -> Stage:
        method = self._method(call)
        parameters = {
            "method": method.json,
            "setting": setting_json(call.setting),
            "ratio_of": cell.ratio_of,
            **self._method_parameters(cell, method),
        }
        inputs = {"model": source, "state": state} if state else {"model": source}
        return self._stage(cell, "compress", f"compress {call}", parameters, inputs=inputs, plugins={"method": method})

    def _recover(self, cell: Cell, step: Step, source: Stage, behind: str) -> Stage:
        methods = [self._method(call) for call in step.calls]
        parameters = {
            "methods": [method.json for method in methods],
            "budget": self._budget(self._model(cell), "recovery").model_dump(mode="json"),
            "calibration": self._benchmark.calibration.model_dump(mode="json"),
            "seed": cell.seed,
            "protocol": cell.protocol,
        }
        plugins = {f"method.{method.json['name']}": method for method in methods}
        if len(plugins) < len(methods):
            message = f"{step}: a recovery is joined with itself"
            raise UserError(message, "Name each recovery of a step once.")
        return self._stage(
            cell,
            "recover",
            f"recover {step} after {behind}",
            parameters,
            inputs={"model": source},
            plugins=plugins,
        )

    def _evaluate(self, cell: Cell, made: Stage, shown: str) -> Stage:
        parameters = {
            "evaluation": self._benchmark.evaluation.model_dump(mode="json"),
            "protocol": cell.protocol,
        }
        return self._stage(cell, "evaluate", f"evaluate {shown}", parameters, inputs={"model": made})

    def _measure(self, cell: Cell, made: Stage, baseline: Stage) -> Stage:
        parameters = {
            "measurement": self._benchmark.measurement.model_dump(mode="json"),
            "hardware": {**hardware(), "device": _resolved(self._device)},
            "runtime": f"torch {version('torch')} eager",
        }
        inputs = {"candidate": made, "baseline": baseline}
        return self._stage(cell, "measure", f"measure {cell.pipeline}", parameters, inputs=inputs)

    def _method_parameters(self, cell: Cell, method: _Chosen) -> dict[str, Any]:
        """What a method may see through its context; the budget only if it says that it trains."""
        parameters: dict[str, Any] = {
            "calibration": self._benchmark.calibration.model_dump(mode="json"),
            "seed": cell.seed,
            "protocol": cell.protocol,
        }
        if "training" in method.plugin.descriptor.needs:
            parameters["budget"] = self._budget(self._model(cell), "recovery").model_dump(mode="json")
        return parameters

    def _stage(
        self,
        cell: Cell,
        kind: StageKind,
        label: str,
        parameters: dict[str, Any],
        *,
        inputs: Mapping[str, Stage] | None = None,
        plugins: Mapping[str, _Chosen] | None = None,
    ) -> Stage:
        dataset = self._dataset(cell)
        task = self._registry.task(cell.task)
        fields = StageFields(
            kind=kind,
            parameters={
                "task": cell.task,
                "dataset": dataset.json,
                "deterministic": self._benchmark.deterministic,
                **parameters,
            },
            inputs={role: stage.identity for role, stage in (inputs or {}).items()},
            plugins=self._provenance(
                {"task": task, "dataset": dataset.plugin, **{role: c.plugin for role, c in (plugins or {}).items()}}
            ),
            dataset=self._fingerprint(dataset),
        )
        subject = f"{cell.model} · {cell.dataset} · seed {cell.seed}"
        stage = Stage(fields=fields, label=label, subject=subject, inputs=tuple((inputs or {}).items()))
        return self._stages.setdefault(stage, stage)

    def _provenance(self, plugins: Mapping[str, Plugin[Any]]) -> dict[str, dict[str, str | None]]:
        """Each plugin's distribution under its role, and those that it requires behind a slash."""
        stated: dict[str, dict[str, str | None]] = {}
        for role, plugin in plugins.items():
            own, *required = self._registry.provenance(plugin).items()
            stated[role] = own[1]
            stated.update({f"{role}/{name}": provenance for name, provenance in required})
        return stated

    def _budget(self, model: _Chosen, name: str) -> TrainingBudget:
        """The benchmark's keys over the model's recommendation over the defaults."""
        stated: TrainingBudget | None = getattr(self._benchmark, name)
        return completed_budget(stated, getattr(model.plugin.descriptor, name))

    def _model(self, cell: Cell) -> _Chosen:
        return self._choose("model", cell.task, self._models[cell.model])

    def _dataset(self, cell: Cell) -> _Chosen:
        return self._choose("dataset", cell.task, self._datasets[cell.dataset])

    def _choose(self, what: str, task: str, choice: PluginChoice) -> _Chosen:
        key = (what, task, choice.name)
        if key not in self._chosen:
            plugin: Plugin[Any]
            named: dict[str, Any]
            if what == "model":
                plugin, member = self._registry.model(task, choice.name)
                named = {"name": plugin.name, "member": member, "content": plugin.descriptor.fingerprint(member)}
            else:
                plugin = self._registry.dataset(task, choice.name)
                named = {"name": plugin.name}
            options = validate_options(plugin, choice.options, where=f"{what} {choice.name}")
            self._chosen[key] = _Chosen(plugin, options, {**named, "options": options.model_dump(mode="json")})
        return self._chosen[key]

    def _method(self, call: MethodCall) -> _Chosen:
        key = ("method", call.name, str(call.options))
        if key not in self._chosen:
            plugin = self._registry.method(call.name)
            options = validate_options(plugin, call.options, where=f"method {call.name}")
            json = {"name": plugin.name, "options": options.model_dump(mode="json")}
            self._chosen[key] = _Chosen(plugin, options, json)
        return self._chosen[key]

    def _fingerprint(self, dataset: _Chosen) -> str:
        key = (dataset.plugin.distribution, dataset.json["name"], str(dataset.json["options"]))
        if key not in self._fingerprints:
            self._fingerprints[key] = dataset.plugin.descriptor.fingerprint(dataset.options)
        return self._fingerprints[key]


def _resolved(device: str) -> str:
    """`auto` is what it will turn out to be, as far as can be told without torch."""
    if device != "auto":
        return device
    return "cuda" if hardware()["gpus"] else "cpu"
