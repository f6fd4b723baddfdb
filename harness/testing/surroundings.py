"""What a plugin is tried with: a task, a model and a data set, chosen as a benchmark chooses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.plan.choice import Choices, stated
from harness.plan.expansion import choose_datasets, choose_models, choose_task
from harness.plan.identity import StageFields, identity_of
from harness.plan.job import StageJob
from harness.plan.model_check import CALIBRATION
from harness.registry import TaskDescriptor, discover
from harness.spec.benchmark import Benchmark, ModelChoice, PluginChoice
from harness.spec.budget import Schedule, TrainingBudget
from harness.spec.method_call import MethodCall

if TYPE_CHECKING:
    from harness.engine.workbench import Workbench
    from harness.store.stage import StageKind

SEED = 0
ITERATIONS = 4
BUDGET = TrainingBudget(
    iterations=ITERATIONS, batch_size=2, optimizer={"type": "SGD", "lr": 0.01}, schedule=Schedule(type="constant")
)
"""Of every training; whether a method works does not depend on how long it trains."""


@dataclass(frozen=True)
class Surroundings:
    """A task, a model and a data set.

    Attributes:
        choices: The plugins, with validated options.
        task: The task.
        model: The model's name, as a benchmark writes it.
        dataset: The data set's name.
        device: Where models and batches live.
    """

    choices: Choices
    task: TaskDescriptor
    model: str
    dataset: str
    device: str

    def workbench(
        self,
        work: Path,
        call: MethodCall | None = None,
        *,
        kind: StageKind = "compress",
        seed: int = SEED,
        ratio_of: str = "channels",
        budget: TrainingBudget = BUDGET,
        inputs: Mapping[str, Path] | None = None,
    ) -> Workbench:
        """Opens what a stage with these parameters works with; imports torch.

        Args:
            work: The stage's own folder.
            call: The method, if there is one.
            kind: The kind of stage.
            seed: The cell's seed.
            ratio_of: What a ratio is a fraction of.
            budget: The budget of recoveries.
            inputs: Folders of input stages, by role.
        """
        from harness.engine.workbench import open_workbench

        fields = self._fields(kind, call, seed, ratio_of, budget)
        job = StageJob(
            fields=fields,
            identity=identity_of(fields),
            label=f"conformance of {call or self.model}",
            inputs=dict(inputs or {}),
            work=work,
            root=work,
            device=self.device,
            paths={
                "model": dict(self.choices.model(self.model).paths),
                "dataset": dict(self.choices.dataset(self.dataset).paths),
            },
        )
        return open_workbench(job, lambda done, total, text: None)

    def _fields(
        self, kind: StageKind, call: MethodCall | None, seed: int, ratio_of: str, budget: TrainingBudget
    ) -> StageFields:
        model, dataset = self.choices.model(self.model), self.choices.dataset(self.dataset)
        task = self.choices.registry.provenance(self.choices.registry.task(self.task.name))
        parameters: dict[str, Any] = {
            "task": self.task.name,
            "model": model.json,
            "dataset": dataset.json,
            "deterministic": True,
            "calibration": CALIBRATION,
            "seed": seed,
            "protocol": "corrected",
            "ratio_of": ratio_of,
            "budget": budget.stated(),
        }
        plugins = {
            **stated("task", task), **stated("dataset", dataset.provenance), **stated("model", model.provenance)
        }  # fmt: skip
        if call is not None:
            method = self.choices.method(call)
            parameters.update(method=method.json, methods=[method.json])
            for role in ("method", f"method.{method.json['name']}"):
                plugins.update(stated(role, method.provenance))
        fingerprint = dataset.plugin.descriptor.fingerprint(dataset.options)
        return StageFields(kind=kind, parameters=parameters, plugins=plugins, dataset=fingerprint)


def surround(
    *, task: str, model: str, model_options: Mapping[str, Any], dataset: str, dataset_options: Mapping[str, Any],
    device: str = "cpu",
) -> Surroundings:  # fmt: skip
    """Returns the surroundings with these names; an empty one stands for the only task, or for the task's demo.

    Raises:
        UserError: A name or an option is wrong.
    """
    registry = discover()
    named = {"models": [model] if model else [], "datasets": [dataset] if dataset else []}
    benchmark = Benchmark.model_validate({"task": task or None, **named})
    found = choose_task(benchmark, registry)
    (chosen,), (data,) = choose_models(benchmark, found), choose_datasets(benchmark, found)
    models = {chosen.name: ModelChoice.model_validate({**model_options, "name": chosen.name})}
    datasets = {data.name: PluginChoice.model_validate({**dataset_options, "name": data.name})}
    choices = Choices(registry, found, models, datasets)
    choices.model(chosen.name)  # a wrong option is told now
    choices.dataset(data.name)
    return Surroundings(choices, found, chosen.name, data.name, device)
