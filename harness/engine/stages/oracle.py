"""Stage `oracle`: what each channel of a model is worth, found out by taking it away."""

from __future__ import annotations

import math
from typing import Any

import torch

from harness.engine.oracle.layers import FilterLayer, filter_layers, without_channel
from harness.engine.oracle.validation import ValidationImages
from harness.engine.seeding import derive_seed
from harness.engine.stages.models import load_input
from harness.engine.workbench import Workbench
from harness.errors import UserError


def run_oracle(bench: Workbench) -> dict[str, Any]:
    """Evaluates the input model without each channel of the chosen layers, one at a time.

    The importance of a channel is what the metric loses without it: metric(model) - metric(model without the channel),
    or its negative where lower is better. Under protocol `seed` it is at least 0, and the channel is a filter of zeros
    in front of its batch normalisation; under `corrected` it is zero behind that too.
    """
    asked, metric = bench.parameters["oracle"], bench.parameters["metric"]
    original = bench.parameters["protocol"] == "seed"
    model: Any = load_input(bench, "model").model.eval()
    images = ValidationImages(bench, asked["samples"], asked["batch_size"])
    with torch.inference_mode():
        layers = filter_layers(model, asked["layers"], lambda: model.test_step(images.batches[0]))
    drawn = [_drawn(bench, layer, asked["max_channels"]) for layer in layers]
    whole = images.figure(model, metric["name"])
    if not math.isfinite(whole):
        message = f"oracle.samples: {metric['name']} is not defined on the {images.count} images of {images.split}"
        raise UserError(message, "Ask for more images.")
    sign = 1.0 if metric["higher_is_better"] else -1.0
    done, total = 0, sum(map(len, drawn))
    found = []
    for layer, channels in zip(layers, drawn, strict=True):
        importance = []
        for channel in channels:
            with without_channel(layer, channel, behind_normalization=not original):
                drop = sign * (whole - images.figure(model, metric["name"]))
            importance.append(max(0.0, drop) if original and math.isfinite(drop) else drop)
            done += 1
            bench.progress(done, total, layer.path)
        found.append(
            {
                "layer": layer.path,
                "channels": layer.channels,
                "analyzed": channels,
                "importance": [value if math.isfinite(value) else None for value in importance],
            }
        )
    return {"split": images.split, "samples": images.count, "metric": metric["name"], "value": whole, "layers": found}


def _drawn(bench: Workbench, layer: FilterLayer, most: int | None) -> list[int]:
    """Returns the channels that are looked at: all, or so many, drawn with the cell's seed."""
    if most is None or layer.channels <= most:
        return list(range(layer.channels))
    generator = torch.Generator().manual_seed(derive_seed(bench.seed, f"oracle:{layer.path}"))
    return sorted(torch.randperm(layer.channels, generator=generator)[:most].tolist())
