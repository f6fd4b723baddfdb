"""Stage `train`: the baseline, trained here or given as a checkpoint."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from harness.engine.budgeted import train_under
from harness.engine.checkpoint import load_checkpoint, state_dict_of
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import save_output
from harness.engine.weights import load_weights, require_finite
from harness.engine.workbench import Workbench, model_config
from harness.errors import UserError
from harness.plan.checkpoint import checkpoint_digest
from harness.spec.budget import TrainingBudget
from harness.store.artifact import ModelBase, ModelFile


def run_train(bench: Workbench) -> dict[str, Any]:
    """Builds the model and trains it from fresh weights for the baseline budget, or loads the given checkpoint."""
    return _load(bench) if "checkpoint" in bench.parameters else _train(bench)


def _train(bench: Workbench) -> dict[str, Any]:
    budget = TrainingBudget.model_validate(bench.parameters["training"])
    config = model_config(bench)
    with seeded(derive_seed(bench.seed, "weights")):
        model = bench.task.build(config).to(bench.device)
    outcome = train_under(bench, model, budget, "train")
    return {"size": save_output(bench, _file(bench, config), model), **asdict(outcome)}


def _load(bench: Workbench) -> dict[str, Any]:
    path, planned = bench.job.checkpoint, bench.parameters["checkpoint"]
    if path is None or checkpoint_digest(path) != planned["sha256"]:
        message = f"checkpoint {path}: was changed while the run was going on"
        raise UserError(message, "Run the same command again: what depends on it will be run anew.")
    weights = state_dict_of(load_checkpoint(path, trusted=bench.job.trusted), str(path))
    config = model_config(bench)
    with seeded(0):
        model = bench.task.build(config)
    source = f"checkpoint {path}"
    require_finite(model, weights, source)
    load_weights(model, weights, source)
    size = save_output(bench, _file(bench, config), model.to(bench.device))
    return {"size": size, "iterations": None, "checkpoint": {**planned, "name": path.name}}


def _file(bench: Workbench, config: dict[str, Any]) -> ModelFile:
    asked = bench.parameters["model"]
    return ModelFile(base=ModelBase(task=bench.parameters["task"], name=asked["name"], config=config))
