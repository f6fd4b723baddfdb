"""Stage `train`: the baseline."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.budgeted import train_under
from harness.engine.stages.models import save_output
from harness.engine.workbench import Workbench, model_config
from harness.spec.budget import TrainingBudget
from harness.store.artifact import ModelBase, ModelFile


def run_train(bench: Workbench) -> dict[str, Any]:
    """Builds the model from fresh weights and trains it for the baseline budget."""
    budget = TrainingBudget.model_validate(bench.parameters["training"])
    config = model_config(bench)
    with seeded(derive_seed(bench.seed, "weights")):
        model = bench.task.build(config).to(bench.device)
    outcome = train_under(bench, model, budget, "train")
    base = ModelBase(task=bench.parameters["task"], name=bench.parameters["model"]["name"], config=config)
    size = save_output(bench, ModelFile(base=base), model)
    return {"size": size, **asdict(outcome)}
