"""What `bench check` asks of a model, as plain JSON for a worker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from harness.errors import UserError
from harness.plan.choice import Choice, Choices, stated
from harness.plan.drawing import prepare_key
from harness.plan.expansion import choose_datasets, choose_task, require_setting
from harness.plan.identity import StageFields
from harness.plan.job import StageJob
from harness.plan.protection import protected_calls
from harness.registry import MethodDescriptor, Registry
from harness.spec.benchmark import Benchmark, ModelChoice
from harness.spec.method_call import MethodCall
from harness.spec.pipeline import parse_pipeline
from harness.spec.setting import Setting, setting_json

DEFAULT_METHOD = "l2"
"""Needs weights alone, so that a check takes as long as the engine; what is traced is the same for all criteria."""

RATIOS = (0.3, 0.5, 0.7)
CALIBRATION = {"samples": 8, "batch_size": 2}
"""Few: whether a method works does not depend on how well its statistics are known."""

CHECK_SEED = 0


class MethodTrial(BaseModel):
    """One method that is tried on the model.

    Attributes:
        text: The method as it is written in a pipeline.
        fields: Those of its `compress` stages, without a setting, and of the model.
        has_prepare: Whether it prepares.
        settings: The settings that are tried, as JSON.
        keys: For each of them, the `prepare_key`; those with equal keys share one preparation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    text: str
    fields: StageFields
    has_prepare: bool
    settings: tuple[Any, ...]
    keys: tuple[Any, ...]


class ModelCheckJob(BaseModel):
    """One model that is checked by one worker process.

    Attributes:
        model: The model as it was asked for.
        task: Its task.
        dataset: Whose classes and input size it is built for.
        trials: What is tried on it; at least one method.
        work: An empty folder; the answer is written to `check.json` in it.
        device: Where it is tried.
        threads: Threads of the worker.
        disabled: Plugins that the user has switched off.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    task: str
    dataset: str
    trials: tuple[MethodTrial, ...]
    work: Path
    device: str = "cpu"
    threads: int = 1
    disabled: tuple[str, ...] = ()

    @property
    def identity(self) -> str:
        """What executors call it."""
        return self.model

    @property
    def answer(self) -> Path:
        """Where the answer is written."""
        return self.work / "check.json"

    def stage(self, trial: MethodTrial) -> StageJob:
        """Returns the surroundings of one trial, as of a stage that has no inputs."""
        return StageJob(
            fields=trial.fields,
            identity=self.model,
            label=f"check {self.model} {trial.text}",
            inputs={},
            work=self.work,
            root=self.work,
            device=self.device,
            threads=self.threads,
            disabled=self.disabled,
        )


def plan_model_checks(
    models: Sequence[str],
    methods: Sequence[str],
    registry: Registry,
    *,
    task: str | None,
    dataset: str | None,
    protect: Sequence[str],
    threads: int,
    disabled: Sequence[str],
    work: Path,
) -> list[ModelCheckJob]:
    """Returns a job for each model.

    Args:
        models: Names, members of zoos or config files.
        methods: Methods as in a pipeline, with options or a setting if they have one.
        registry: All plugins.
        task: The task; by default the one that all models belong to.
        dataset: The data set whose facts models are built for; by default the task's demo.
        protect: Patterns of layers that are left alone.
        threads: Threads of a worker.
        disabled: Plugins that the user has switched off.
        work: A folder for the workers' files.

    Raises:
        UserError: A name or an option is wrong; the message names the flag.
    """
    asked = list(dict.fromkeys(models))
    chosen = tuple(ModelChoice(name=name).with_paths_below(Path.cwd()) for name in asked)
    listed = () if dataset is None else (dataset,)
    benchmark = Benchmark.model_validate({"task": task, "models": chosen, "datasets": listed})
    found = choose_task(benchmark, registry)
    (data,) = choose_datasets(benchmark, found)
    choices = Choices(registry, found, {model.name: model for model in chosen}, {data.name: data})
    calls = _calls(methods, protect, choices)
    ground = _ground(found.name, choices, data.name)
    jobs = []
    for number, (text, model) in enumerate(zip(asked, chosen, strict=True)):
        picked = choices.model(model.name)
        jobs.append(
            ModelCheckJob(
                model=text,
                task=found.name,
                dataset=data.name,
                trials=tuple(_trial(call, choices, picked, ground) for call in calls),
                work=work / str(number),
                threads=threads,
                disabled=tuple(disabled),
            )
        )
    return jobs


def _calls(methods: Sequence[str], protect: Sequence[str], choices: Choices) -> list[MethodCall]:
    return protected_calls([_call(text, choices) for text in methods], protect, choices.describe)


def _call(text: str, choices: Choices) -> MethodCall:
    steps = parse_pipeline(text, "--methods").steps
    if len(steps) > 1 or len(steps[0].calls) > 1:
        message = f"--methods: {text!r} is a pipeline, not a method"
        raise UserError(message, "`bench check` trains nothing; name compressors alone, such as l2 or fpgm.")
    (call,) = steps[0].calls
    descriptor = choices.describe(call.name)
    if descriptor.kind != "compressor":
        message = f"--methods: {call.name} is a recovery, and `bench check` trains nothing"
        raise UserError(message, "Name compressors, such as l2 or fpgm.")
    choices.method(call)
    return call


def _settings(call: MethodCall, descriptor: MethodDescriptor) -> Sequence[Setting | None]:
    if descriptor.axis is None or call.setting is not None:
        require_setting(call, descriptor)
        return (call.setting,)
    if descriptor.axis == "ratio":
        return RATIOS
    message = f"--methods: {call.name} needs a {descriptor.axis}"
    raise UserError(message, f"Write e.g. {call.name}@int8.")


def _ground(task: str, choices: Choices, dataset: str) -> StageFields:
    """Returns what the fields of all trials have in common."""
    data = choices.dataset(dataset)
    return StageFields(
        kind="compress",
        parameters={
            "task": task,
            "dataset": data.json,
            "deterministic": False,
            "calibration": CALIBRATION,
            "seed": CHECK_SEED,
            "protocol": "corrected",
            "ratio_of": "channels",
        },
        plugins={
            **stated("task", choices.registry.provenance(choices.registry.task(task))),
            **stated("dataset", data.provenance),
        },
        dataset=data.plugin.descriptor.fingerprint(data.options),
    )


def _trial(call: MethodCall, choices: Choices, model: Choice, ground: StageFields) -> MethodTrial:
    method = choices.method(call)
    descriptor = choices.describe(call.name)
    settings = _settings(call, descriptor)
    fields = StageFields(
        kind=ground.kind,
        parameters={**ground.parameters, "model": model.json, "method": method.json},
        plugins={**ground.plugins, **stated("model", model.provenance), **stated("method", method.provenance)},
        dataset=ground.dataset,
    )
    return MethodTrial(
        text=str(MethodCall(call.name, None, call.options)),
        fields=fields,
        has_prepare=descriptor.has_prepare,
        settings=tuple(setting_json(setting) for setting in settings),
        keys=tuple(prepare_key(MethodCall(call.name, setting, call.options), method)[0] for setting in settings),
    )
