"""From cells to stages: each pass of a pipeline drawn as `prepare -> compress -> recover -> evaluate`.

Stages with equal identities are one object, so that cells share them. What cells have in common is also drawn once:
the baseline of a (model, data set, seed), the passes with which their pipelines begin, a preparation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from harness.errors import PluginError, UserError
from harness.plan.cell import Cell, ModelPoint, Place, PlannedCell
from harness.plan.checkpoint import checkpoint_fields, compressed_model
from harness.plan.choice import Choice, Choices, Provenance, stated
from harness.plan.hardware import hardware
from harness.plan.identity import CommonFields, StageFields, canonical_json
from harness.plan.oracle import Ranking, comparison_parameters, oracle_parameters, ranking_of
from harness.plan.passes import Pass, unrolled
from harness.plan.stage import Stage
from harness.spec.benchmark import Benchmark, Oracle
from harness.spec.budget import TrainingBudget, completed_budget, split_budget
from harness.spec.pipeline import MethodCall
from harness.spec.setting import setting_json
from harness.store.stage import StageKind


@dataclass(frozen=True)
class _Way:
    """The beginning of a pipeline, drawn: the models so far, and what was prepared for them."""

    points: tuple[ModelPoint, ...]
    prepared: tuple[Stage, ...]


@dataclass(frozen=True)
class _Ground:
    """What the fields of all stages on one data set have in common."""

    parameters: dict[str, Any]
    plugins: dict[str, Provenance]
    fingerprint: str


class Drawer:
    """Draws the stages of one benchmark's cells.

    Args:
        benchmark: The benchmark.
        choices: The plugins that it chooses.
        device: The device that was asked for; only `measure` depends on it.
    """

    def __init__(self, benchmark: Benchmark, choices: Choices, device: str) -> None:
        self._benchmark = benchmark
        self._choices = choices
        self._calibration = benchmark.calibration.model_dump(mode="json")
        self._evaluation = benchmark.evaluation.model_dump(mode="json")
        self._measuring = {
            "measurement": benchmark.measurement.model_dump(mode="json"),
            "hardware": {**hardware(), "device": _resolved(device)},
            "runtime": f"torch {version('torch')} eager",
        }
        self._stages: dict[Stage, Stage] = {}
        self._ways: dict[tuple[str | int, ...], _Way] = {}
        self._prepared: dict[tuple[str | int, ...], Stage] = {}
        self._common: dict[tuple[str | int, ...], CommonFields] = {}
        self._grounds: dict[str, _Ground] = {}
        self._budgets: dict[tuple[str, str], TrainingBudget] = {}
        self._parts: dict[tuple[str, int], list[TrainingBudget]] = {}
        self._passes: dict[str, tuple[Pass, ...]] = {}
        self._checkpoints: dict[Path, dict[str, str]] = {}

    def draw(self, cell: Cell) -> PlannedCell:
        """Returns the cell with its stages."""
        begun: tuple[str | int, ...] = (cell.model, cell.dataset, cell.seed)
        way = self._baseline(cell)
        pipeline = str(cell.pipeline)
        if pipeline not in self._passes:
            self._passes[pipeline] = tuple(unrolled(cell.pipeline, self._choices))
        for part in self._passes[pipeline]:
            begun = (*begun, part.text)
            if begun not in self._ways:
                self._ways[begun] = self._further(cell, part, way)
            way = self._ways[begun]
        measured = self._measure(cell, way.points[-1].made, way.points[0].made)
        asked = self._benchmark.oracle
        oracle, compared = self._compared(cell, way, asked) if asked is not None else (None, None)
        return PlannedCell(cell, way.points, way.prepared, measured, oracle, compared)

    def baseline(self, place: Place) -> ModelPoint:
        """Returns the baseline of a place, whatever cells it has."""
        return self._baseline(place).points[0]

    def _baseline(self, place: Place) -> _Way:
        key = (place.model, place.dataset, place.seed)
        if key not in self._ways:
            trained = self._train(place)
            evaluated = self._evaluate(place, trained, "baseline")
            self._ways[key] = _Way((ModelPoint("baseline", "baseline", trained, evaluated),), ())
        return self._ways[key]

    def _further(self, cell: Cell, part: Pass, way: _Way) -> _Way:
        """Returns the way with one more pass drawn."""
        step = part.step
        descriptors = [self._choices.describe(call.name) for call in step.calls]
        before = way.points[-1]
        if descriptors[0].kind == "compressor":
            state = self._prepare(cell, part, before.made) if descriptors[0].has_prepare else None
            made = self._compress(cell, part, before.made, state)
            point = ModelPoint(part.text, "compress", made, self._evaluate(cell, made, part.text))
            return _Way((*way.points, point), (*way.prepared, state) if state and part.is_first else way.prepared)
        if all(descriptor.trains for descriptor in descriptors):
            made = self._recover(cell, part, before.made, before.step)
            evaluated = self._evaluate(cell, made, f"{step} after {before.step}")
            return _Way((*way.points, ModelPoint(part.text, "recover", made, evaluated)), way.prepared)
        if any(descriptor.trains for descriptor in descriptors):
            message = f"{step}: `none` cannot be joined with a training"
            raise UserError(message, "Drop it, or drop the other recoveries.")
        return way

    def _train(self, cell: Place) -> Stage:
        model = self._choices.model(cell.model)
        checkpoint = self._choices.checkpoint(cell.model)
        if checkpoint is not None:
            return self._load(cell, model, checkpoint)
        parameters = {
            "model": model.json,
            "training": self._budget(cell, "training").stated(),
            "seed": cell.seed,
        }
        common = self._fields(cell, "train", parameters, stated("model", model.provenance))
        return self._stage(cell, common, f"train {cell.model}", {})

    def _load(self, cell: Place, model: Choice, checkpoint: Path) -> Stage:
        """The baseline as a checkpoint: all seeds and protocols share it, for nothing about it is random."""
        _require_model(checkpoint, cell, model)  # each of several models that are given the same one
        if checkpoint not in self._checkpoints:
            self._checkpoints[checkpoint] = checkpoint_fields(checkpoint)
        parameters = {"model": model.json, "checkpoint": self._checkpoints[checkpoint]}
        common = self._fields(cell, "train", parameters, stated("model", model.provenance))
        return self._stage(cell, common, f"load {cell.model}", {}, checkpoint=checkpoint)

    def _prepare(self, cell: Cell, part: Pass, source: Stage) -> Stage:
        call = part.step.calls[0]
        method = self._choices.method(call)
        key, key_text = prepare_key(call, method)
        of_cells = (source.identity, cell.model, cell.dataset, cell.seed)
        stated_method = method.prepared_json
        shared = (*of_cells, call.name, canonical_json(stated_method), key_text)
        if shared not in self._prepared:
            shown = call.name if key is None and part.is_first else part.text
            parameters = {"method": stated_method, "key": key, **self._method_parameters(cell, call)}
            if key is not None:
                parameters["ratio_of"] = cell.ratio_of  # what a target that is searched for is a fraction of
            common = self._fields(cell, "prepare", parameters, stated("method", method.provenance))
            self._prepared[shared] = self._stage(cell, common, f"prepare {shown}", {"model": source})
        return self._prepared[shared]

    def _compress(self, cell: Cell, part: Pass, source: Stage, state: Stage | None) -> Stage:
        call = part.step.calls[0]
        method = self._choices.method(call)
        parameters = {
            "method": method.json,
            "setting": setting_json(call.setting),
            "ratio_of": cell.ratio_of,
            **self._method_parameters(cell, call),
        }
        inputs = {"model": source, "state": state} if state else {"model": source}
        common = self._fields(cell, "compress", parameters, stated("method", method.provenance))
        return self._stage(cell, common, f"compress {part.text}", inputs)

    def _recover(self, cell: Cell, part: Pass, source: Stage, behind: str) -> Stage:
        budget = self._part_of_budget(cell, part)
        key = ("recover", cell.model, cell.dataset, cell.seed, str(part.step), part.number, budget.iterations)
        if key not in self._common:
            self._common[key] = self._recovery(cell, part, budget)
        share = Fraction(budget.iterations, self._budget(cell, "recovery").iterations)
        label = f"recover {part.step} after {behind}"
        return self._stage(cell, self._common[key], label, {"model": source}, share=share)

    def _recovery(self, cell: Cell, part: Pass, budget: TrainingBudget) -> CommonFields:
        step = part.step
        methods = [self._choices.method(call) for call in step.calls]
        if len({method.json["name"] for method in methods}) < len(methods):
            message = f"{step}: a recovery is joined with itself"
            raise UserError(message, "Name each recovery of a step once.")
        parameters = {
            "methods": [method.json for method in methods],
            "budget": budget.stated(),
            "calibration": self._calibration,
            "seed": cell.seed,
            "protocol": cell.protocol,
        }
        if not part.is_first:
            parameters["pass"] = part.number
        plugins: dict[str, Provenance] = {}
        for method in methods:
            plugins.update(stated(f"method.{method.json['name']}", method.provenance))
        return self._fields(cell, "recover", parameters, plugins)

    def _evaluate(self, cell: Place, made: Stage, shown: str) -> Stage:
        key = ("evaluate", cell.dataset)
        if key not in self._common:
            self._common[key] = self._fields(cell, "evaluate", {"evaluation": self._evaluation}, {})
        return self._stage(cell, self._common[key], f"evaluate {shown}", {"model": made})

    def _measure(self, cell: Cell, made: Stage, baseline: Stage) -> Stage:
        key = ("measure", cell.dataset)
        if key not in self._common:
            self._common[key] = self._fields(cell, "measure", self._measuring, {})
        inputs = {"candidate": made, "baseline": baseline}
        return self._stage(cell, self._common[key], f"measure {cell.pipeline}", inputs)

    def _compared(self, cell: Cell, way: _Way, asked: Oracle) -> tuple[Stage, Stage]:
        """The oracle, of the baseline or under protocol `seed` of the last model, and what is compared with it."""
        baseline, candidate = way.points[0].made, way.points[-1].made
        original = cell.protocol == "seed"
        of_cells = (cell.model, cell.dataset, cell.seed)
        key: tuple[str | int, ...] = ("oracle", *of_cells)
        if key not in self._common:
            parameters = oracle_parameters(asked, self._choices.primary(cell.dataset), cell)
            self._common[key] = self._fields(cell, "oracle", parameters, {})
        inputs, shown = {"model": candidate if original else baseline}, cell.pipeline if original else "baseline"
        oracle = self._stage(cell, self._common[key], f"oracle of {shown}", inputs)
        ranking = Ranking() if original else ranking_of(self._passes[str(cell.pipeline)], self._choices)
        part = ranking.part
        key = ("compare", *of_cells, ranking.text)
        if key not in self._common:
            self._common[key] = self._comparison(cell, part, comparison_parameters(asked, cell, ranking))
        inputs = {"candidate": candidate, "baseline": baseline, "oracle": oracle}
        if part is not None and self._choices.describe(part.step.calls[0].name).has_prepare:
            inputs["state"] = self._prepare(cell, part, baseline)
        return oracle, self._stage(cell, self._common[key], f"compare {cell.pipeline}", inputs)

    def _comparison(self, cell: Cell, part: Pass | None, parameters: dict[str, Any]) -> CommonFields:
        """With what `compress` has of the method whose ranking is looked at."""
        if part is None:
            return self._fields(cell, "compare", parameters, {})
        call = part.step.calls[0]
        method = self._choices.method(call)
        of_method = {"method": method.json, "key": prepare_key(call, method)[0], "ratio_of": cell.ratio_of}
        parameters = {**parameters, **of_method, **self._method_parameters(cell, call)}
        return self._fields(cell, "compare", parameters, stated("method", method.provenance))

    def _method_parameters(self, cell: Cell, call: MethodCall) -> dict[str, Any]:
        """What a method may see through its context; the budget, of one process, only if it says that it trains."""
        parameters: dict[str, Any] = {
            "calibration": self._calibration,
            "seed": cell.seed,
            "protocol": cell.protocol,
        }
        if "training" in self._choices.describe(call.name).needs:
            alone = self._budget(cell, "recovery").model_copy(update={"processes": 1})
            parameters["budget"] = alone.stated()
        return parameters

    def _stage(
        self,
        cell: Place,
        common: CommonFields,
        label: str,
        inputs: Mapping[str, Stage],
        checkpoint: Path | None = None,
        share: Fraction = Fraction(1),
    ) -> Stage:
        fields, identity = common.with_inputs({role: stage.identity for role, stage in inputs.items()})
        paths = self._paths(cell, fields.kind)
        stage = Stage(fields, label, _subject(cell, fields), tuple(inputs.items()), checkpoint, identity, share, paths)
        return self._stages.setdefault(stage, stage)

    def _paths(self, cell: Place, kind: StageKind) -> dict[str, Mapping[str, str]]:
        """Where the files of the data set lie, and of the model in the one stage that builds it."""
        choices = {"dataset": self._choices.dataset(cell.dataset)}
        if kind == "train":
            choices["model"] = self._choices.model(cell.model)
        return {role: choice.paths for role, choice in choices.items() if choice.paths}

    def _fields(
        self, cell: Place, kind: StageKind, parameters: Mapping[str, Any], plugins: Mapping[str, Provenance]
    ) -> CommonFields:
        ground = self._ground(cell)
        return CommonFields(
            StageFields(
                kind=kind,
                parameters={**ground.parameters, **parameters},
                plugins={**ground.plugins, **plugins},
                dataset=ground.fingerprint,
            )
        )

    def _ground(self, cell: Place) -> _Ground:
        if cell.dataset not in self._grounds:
            dataset, registry = self._choices.dataset(cell.dataset), self._choices.registry
            task = registry.provenance(registry.task(cell.task))
            self._grounds[cell.dataset] = _Ground(
                parameters={"task": cell.task, "dataset": dataset.json, "deterministic": self._benchmark.deterministic},
                plugins={**stated("task", task), **stated("dataset", dataset.provenance)},
                fingerprint=dataset.plugin.descriptor.fingerprint(dataset.options),
            )
        return self._grounds[cell.dataset]

    def _budget(self, cell: Place, name: Literal["training", "recovery"]) -> TrainingBudget:
        """The benchmark's keys over the model's recommendation over the defaults."""
        key = (cell.model, name)
        if key not in self._budgets:
            written: TrainingBudget | None = getattr(self._benchmark, name)
            descriptor = self._choices.model(cell.model).plugin.descriptor
            of_protocol = descriptor.seed_training if (name, cell.protocol) == ("training", "seed") else {}
            self._budgets[key] = completed_budget(written, {**getattr(descriptor, name), **of_protocol})
        return self._budgets[key]

    def _part_of_budget(self, cell: Cell, part: Pass) -> TrainingBudget:
        """All passes of a step spend the one recovery budget together."""
        key = (cell.model, part.of)
        if key not in self._parts:
            try:
                self._parts[key] = split_budget(self._budget(cell, "recovery"), part.of)
            except UserError as error:
                message = f"{cell.pipeline}: recovery.iterations: {error.message}"
                raise UserError(message, error.hint) from error
        return self._parts[key][part.number - 1]


def prepare_key(call: MethodCall, method: Choice) -> tuple[Any, str]:
    """Returns what decides with whom a call shares its preparation, as plain JSON data and as canonical text.

    Raises:
        PluginError: The plugin's answer is not JSON.
    """
    key = method.plugin.descriptor.prepare_key(call.setting, method.options)
    try:
        text = canonical_json(key)
    except (TypeError, ValueError) as error:
        message = f"{call}: `prepare_key` of {method.plugin.name} returned {key!r}, which is not JSON ({error})"
        raise PluginError(message, f"Update {method.plugin.distribution}.") from error
    return json.loads(text), text


def _require_model(checkpoint: Path, place: Place, model: Choice) -> None:
    """A compressed model is rebuilt from its artifact, whatever the model is that the benchmark names.

    Raises:
        UserError: The artifact's is another one.
    """
    file = compressed_model(checkpoint)
    if file is not None and (file.base.task, file.base.name) != (place.task, model.json["name"]):
        message = f"checkpoint {checkpoint}: is of {file.base.name} ({file.base.task}), not of {place.model}"
        raise UserError(message, f"Say --task {file.base.task} --models {file.base.name}.")


def _resolved(device: str) -> str:
    """`auto` is what it will turn out to be, as far as can be told without torch."""
    if device != "auto":
        return device
    return "cuda" if hardware()["gpus"] else "cpu"


def _subject(cell: Place, fields: StageFields) -> str:
    """What a stage stands for besides its label; stages that differ in it are not each other's successors."""
    # What is prepared for all targets is one and the same.
    aimed = fields.kind not in ("train", "prepare") or "ratio_of" in fields.parameters
    parts = [cell.model, cell.dataset, f"seed {cell.seed}"]
    if cell.protocol != "corrected":
        parts.append(cell.protocol)
    if cell.ratio_of != "channels" and aimed:
        parts.append(f"of {cell.ratio_of}")
    return " · ".join(parts)
