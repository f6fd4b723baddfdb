"""Stage `compare`: the last model against the baseline, and rankings of channels against the oracle's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from harness.engine.context import StageContext
from harness.engine.costs import count_convolutions
from harness.engine.oracle.agreement import agreement
from harness.engine.oracle.reconstruction import BATCHES, reconstruction_error
from harness.engine.oracle.validation import ValidationImages
from harness.engine.seeding import derive_seed, seeded
from harness.engine.stages.models import load_input
from harness.engine.stages.state import load_state
from harness.engine.workbench import Workbench, load_compressor
from harness.errors import PluginError, WorkerLostError
from harness.registry import State
from harness.store.stage import read_stage_file

ORIGINAL = "under protocol `seed` the oracle is compared with L1 norms alone"
NO_COMPRESSOR = "the pipeline compresses no model that the oracle was asked about"
TRAINS_FIRST = "ranks the channels of the model that its own preparation has trained"


def run_compare(bench: Workbench) -> dict[str, Any]:
    """Compares outputs and sizes of both models, and tells how far the method's ranking and L1 norms agree with it."""
    original = bench.parameters["protocol"] == "seed"
    baseline, candidate = load_input(bench, "baseline").model, load_input(bench, "candidate").model
    size = bench.parameters["batch_size"]
    images = ValidationImages(bench, BATCHES * size, size)
    error = reconstruction_error(bench.task, baseline, candidate, images)
    before, after = count_convolutions(baseline), count_convolutions(candidate)
    ranked = candidate if original else baseline
    norms = {name: _l1(module) for name, module in ranked.named_modules() if isinstance(module, nn.Conv2d)}
    scores, reason = ({}, ORIGINAL) if original else _method_scores(bench)
    found = _oracle(bench)
    return {
        "reconstruction_mse": error,
        "images": images.count,
        "convolutions_before": before,
        "convolutions_after": after,
        "oracle_of": "candidate" if original else "baseline",
        "metric": found["metric"],
        "split": found["split"],
        "samples": found["samples"],
        "layers": [
            _compared(layer, found["metric"], scores, norms[layer["layer"]], reason) for layer in found["layers"]
        ],
    }


def _compared(
    layer: Mapping[str, Any], metric: str, scores: Mapping[str, torch.Tensor], norms: torch.Tensor, reason: str
) -> dict[str, Any]:
    """Returns how far both rankings of one layer agree with the oracle's, on the channels that it has looked at."""
    analyzed = layer["analyzed"]
    importance = [math.nan if value is None else float(value) for value in layer["importance"]]
    own = scores.get(layer["layer"])
    by_method = None
    if own is not None:
        if own.shape != (layer["channels"],):
            message = (
                f"`channel_scores` gave {list(own.shape)} for the {layer['channels']} channels of {layer['layer']}"
            )
            raise PluginError(message, "Update the method's distribution.")
        drawn = [float(own[channel]) for channel in analyzed]
        by_method = agreement(drawn, importance)
        reason = _incomparable(own, drawn, importance, metric)
    by_norm = agreement([float(norms[channel]) for channel in analyzed], importance)
    return {
        "layer": layer["layer"],
        "channels": layer["channels"],
        "analyzed": len(analyzed),
        "method": asdict(by_method) if by_method is not None else None,
        "method_missing": "" if by_method is not None else reason,
        "l1": asdict(by_norm) if by_norm is not None else None,
    }


def _incomparable(own: torch.Tensor, drawn: Sequence[float], importance: Sequence[float], metric: str) -> str:
    """Returns why scores cannot be compared with the oracle's importance, where that is so."""
    if bool(own.isnan().all()):
        return "all scores are NaN: no channel of it may go"
    if all(map(math.isnan, drawn)):
        return "the scores of all channels that the oracle has looked at are NaN: none of them may go"
    if all(map(math.isnan, importance)):
        return f"{metric} is not defined without any of the channels"
    return f"{metric} is not defined without any of the channels that may go"


def _method_scores(bench: Workbench) -> tuple[Mapping[str, torch.Tensor], str]:
    """Returns the method's own scores by layer, and why a layer has none."""
    if "trains_first" in bench.parameters:
        return {}, f"{bench.parameters['trains_first']} {TRAINS_FIRST}"
    if "method" not in bench.parameters:
        return {}, NO_COMPRESSOR
    compressor = load_compressor(bench)
    state = load_state(bench.job.inputs["state"] / "state") if "state" in bench.job.inputs else State()
    model = load_input(bench, "baseline").model  # a copy of its own: a method may leave hooks or gradients behind
    with seeded(derive_seed(bench.seed, "compare")):
        scores = compressor.channel_scores(model, state, StageContext(bench))
    name = bench.parameters["method"]["name"]
    return scores, f"{name} ranks no channels of it" if scores else f"{name} ranks no channels"


def _l1(convolution: nn.Conv2d) -> torch.Tensor:
    """Returns the L1 norm of each filter [C]."""
    return convolution.weight.detach().abs().flatten(1).sum(dim=1)


def _oracle(bench: Workbench) -> dict[str, Any]:
    """Returns what the oracle has found; its figures are in its `stage.json`, which the scheduler has looked at."""
    folder = bench.job.inputs["oracle"]
    file = read_stage_file(folder / "stage.json")
    if file is None:
        message = f"{folder}: was taken out of the results folder"
        raise WorkerLostError(message, "Run the same command again.")
    return file.result
