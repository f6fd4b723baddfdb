"""Stage `train`: the baseline, trained here or given as a checkpoint."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from torch import nn

from harness.engine.artifact import build_structure
from harness.engine.backbone import load_backbone
from harness.engine.budgeted import train_under
from harness.engine.checkpoint import load_checkpoint, state_dict_of
from harness.engine.compressed_checkpoint import as_asked
from harness.engine.foreign_names import under_own_names
from harness.engine.freezing import FreezeHook
from harness.engine.key_report import first_of
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import save_output
from harness.engine.weights import load_weights, require_finite
from harness.engine.workbench import Workbench, find_model, load_model_plugin, model_config
from harness.errors import UserError
from harness.plan.checkpoint import checkpoint_fields, compressed_model
from harness.registry import Options
from harness.registry.starting import StartOptions
from harness.spec.budget import TrainingBudget
from harness.store.artifact import ModelBase, ModelFile


def run_train(bench: Workbench) -> dict[str, Any]:
    """Builds the model and trains it from fresh weights for the baseline budget, or loads the given checkpoint."""
    return _load(bench) if "checkpoint" in bench.parameters else _train(bench)


def _train(bench: Workbench) -> dict[str, Any]:
    budget = TrainingBudget.model_validate(bench.parameters["training"])
    plugin = load_model_plugin(bench)
    config = plugin.config(bench.meta)
    with seeded(derive_seed(bench.seed, "weights")):
        model = bench.task.build(config).to(bench.device)
    outcome = train_under(bench, model, budget, "train", _start(bench, model, plugin.options))
    return {"size": save_output(bench, _file(bench, config), model), **asdict(outcome)}


def _start(bench: Workbench, model: nn.Module, options: Options) -> list[Hook]:
    """Gives the network what its options say that it starts from; returns the hooks that they ask for."""
    if not isinstance(options, StartOptions):
        return []
    if options.backbone_checkpoint:
        descriptor = find_model(bench)[0].descriptor
        load_backbone(model, Path(options.backbone_checkpoint), descriptor, trusted=bench.job.trusted)
    return [FreezeHook(options.freeze, options.freeze_iterations)] if options.freeze else []


def _load(bench: Workbench) -> dict[str, Any]:
    path, planned = bench.job.checkpoint, bench.parameters["checkpoint"]
    if path is None or checkpoint_fields(path) != planned:
        message = f"checkpoint {path}: was changed while the run was going on"
        raise UserError(message, "Run the same command again: what depends on it will be run anew.")
    given = state_dict_of(load_checkpoint(path, trusted=bench.job.trusted), str(path))
    file, compressed = _file(bench, model_config(bench)), compressed_model(path)
    if compressed is not None:
        file = as_asked(compressed, file.base, f"checkpoint {path}")
    with seeded(0):
        model = build_structure(file, bench.registry)
    named = under_own_names(model.state_dict(), given, find_model(bench)[0].descriptor)
    for line in (f"checkpoint {path}", *named.report.lines()):
        bench.logger.info(line)
    renamed = named.report.renamed
    source = f"checkpoint {path}" + (f" ({len(renamed)} names renamed: {first_of(renamed, 1)})" if renamed else "")
    require_finite(model, named.weights, source)
    load_weights(model, named.weights, source)
    size = save_output(bench, file, model.to(bench.device))
    return {"size": size, "iterations": None, "checkpoint": {**planned, "name": path.name}}


def _file(bench: Workbench, config: dict[str, Any]) -> ModelFile:
    asked = bench.parameters["model"]
    return ModelFile(base=ModelBase(task=bench.parameters["task"], name=asked["name"], config=config))
