"""Stage `recover`: win accuracy back by training, under the benchmark's one recovery budget."""

from __future__ import annotations

from typing import Any

from torch import nn

from harness.engine.artifact import LoadedModel
from harness.engine.context import StageContext
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import load_input, save_output
from harness.engine.training import train
from harness.engine.workbench import Workbench, load_recovery
from harness.registry import LoaderRequest, TrainingRecipe
from harness.spec.budget import TrainingBudget


def run_recover(bench: Workbench) -> dict[str, Any]:
    """Trains the input model as the step's recoveries say, all of them in one training."""
    budget = TrainingBudget.model_validate(bench.parameters["budget"])
    source = load_input(bench, "model")
    context = StageContext(bench)
    recipes = [load_recovery(bench, call).recipe(source.model, context) for call in bench.parameters["methods"]]
    recipe = merge_recipes(recipes)
    if recipe.reinitialize:
        _reinitialize(source, bench)
    request = LoaderRequest(
        split="train",
        batch_size=budget.batch_size,
        seed=derive_seed(bench.seed, "recover-data"),
        shuffle=True,
        iterations=budget.iterations,
    )
    outcome = train(
        source.model,
        loader=bench.dataset.loader(request),
        budget=budget,
        seed=derive_seed(bench.seed, "recover"),
        scope=bench.scope,
        name=bench.job.identity,
        work=bench.job.work / "mmengine",
        deterministic=bench.deterministic,
        progress=bench.progress,
        hooks=recipe.hooks,
    )
    size = save_output(bench, source.file, source.model)
    return {"size": size, "iterations": outcome.iterations, "final_loss": outcome.final_loss}


def merge_recipes(recipes: list[TrainingRecipe]) -> TrainingRecipe:
    """Returns one recipe with all parts: hooks in order, fresh weights if any part asks for them."""
    hooks = [hook for recipe in recipes for hook in recipe.hooks]
    return TrainingRecipe(hooks=hooks, reinitialize=any(recipe.reinitialize for recipe in recipes))


def _reinitialize(source: LoadedModel, bench: Workbench) -> None:
    """Gives every layer fresh weights of its (compressed) shape, drawn from the cell's seed."""
    with seeded(derive_seed(bench.seed, "weights")):
        for module in source.model.modules():
            if isinstance(module, nn.Module) and callable(reset := getattr(module, "reset_parameters", None)):
                reset()
