"""Stage `recover`: win accuracy back by training, under the benchmark's one recovery budget."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from torch import nn

from harness.engine.artifact import build_structure
from harness.engine.budgeted import train_under
from harness.engine.context import StageContext
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import load_input, save_output
from harness.engine.workbench import Workbench, load_recoveries
from harness.registry import TrainingRecipe
from harness.spec.budget import TrainingBudget
from harness.store.artifact import ModelFile


def run_recover(bench: Workbench) -> dict[str, Any]:
    """Trains the input model as the step's recoveries say, all of them in one training."""
    budget = TrainingBudget.model_validate(bench.parameters["budget"])
    source = load_input(bench, "model")
    context = StageContext(bench)
    recipe = merge_recipes([recovery.recipe(source.model, context) for recovery in load_recoveries(bench)])
    model = _fresh(source.file, bench) if recipe.reinitialize else source.model
    number = bench.parameters.get("pass", 1)
    outcome = train_under(bench, model, budget, "recover" if number == 1 else f"recover-{number}", recipe.hooks)
    size = save_output(bench, source.file, model)
    return {"size": size, **asdict(outcome)}


def merge_recipes(recipes: list[TrainingRecipe]) -> TrainingRecipe:
    """Returns one recipe with all parts: hooks in order, fresh weights if any part asks for them."""
    hooks = [hook for recipe in recipes for hook in recipe.hooks]
    return TrainingRecipe(hooks=hooks, reinitialize=any(recipe.reinitialize for recipe in recipes))


def _fresh(file: ModelFile, bench: Workbench) -> nn.Module:
    """Returns the compressed structure with weights from the model's own initialisation, cut like the trained ones."""
    with seeded(derive_seed(bench.seed, "weights")):
        return build_structure(file, bench.registry).to(bench.device)
