"""`benchmark_summary.json` and `report.json` under the names and keys of the VSS pruning benchmark.

`protocol`, `seed`, `pipeline`, `prunable_channel_reduction`, `chance`, `layers` and what else tells figures apart are
further keys. What is missing is `null`. Numbers that the original formats as text stand beside it with `_raw` behind
their name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench_segmentation.vss.experiments import Cell, Experiments, grouped_experiments
from harness.registry.report import ReportFiles

SUMMARY = "benchmark_summary.json"
REPORT = "report.json"

_RESULTS = {
    "corrected": {
        "mIoU": "mIoU",
        "Pixel_Accuracy": "pixel_accuracy",
        "Mean_Accuracy": "mean_accuracy",
        "Frequency_Weighted_IoU": "fwIoU",
    },
    # The original counts a class that does not occur as one with an IoU of zero.
    "seed": {
        "mIoU": "mIoU_dataset_eps",
        "Pixel_Accuracy": "pixel_accuracy",
        "Mean_Accuracy": "mean_accuracy_dataset_eps",
        "Frequency_Weighted_IoU": "fwIoU",
    },
}
_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"))
_TINY = 1e-8


class VSSReport(ReportFiles):
    """One `report.json` a complete cell of a method with a ratio, below a folder of its experiment, and the summary.

    An experiment is called `<method>_<ratio with two digits>`, e.g. `fpgm_0_30`; where a summary has several cells of
    one such name (models, data sets, recoveries), the further ones have the cell's name behind it. A summary is of one
    protocol and one seed: what the last benchmark asked for lies at the top, other protocols and further seeds in
    folders with a summary of their own; see `grouped_experiments`.
    """

    def files(self, cells: Sequence[Cell], benchmark: Mapping[str, Any]) -> Mapping[str, str]:
        """See `ReportFiles.files`."""
        texts: dict[str, str] = {}
        for experiments in grouped_experiments(cells, benchmark):
            found = _files(experiments, benchmark)
            texts |= {str(experiments.folder / name): _text(content) for name, content in found.items()}
        return texts


def report(cell: Cell, benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the `report.json` of a complete cell: its last model against the baseline."""
    baseline, candidate = cell["baseline"], cell["steps"][-1]
    labels = cell["labels"] or {}
    before, after = (_results(step, cell["protocol"]) for step in (baseline, candidate))
    slow, fast = (_speed(cell["latency"], which) for which in ("baseline_ms", "candidate_ms"))
    classes = labels.get("classes") or sum(name.startswith("IoU.") for name in candidate["metrics"] or {})
    return {
        "dataset": cell["dataset"],
        "model_type": cell["model"],
        "protocol": cell["protocol"],
        "seed": cell["seed"],
        "pipeline": cell["pipeline"],
        "input_size": candidate["size"]["input_shape"] if candidate["size"] else None,
        "num_classes": classes or None,
        "ignore_index": labels.get("ignore_index"),
        "baseline_results": before,
        "candidate_results": after,
        "miou_retention": _retention(after["mIoU"], before["mIoU"]),
        "pixel_accuracy_retention": _retention(after["Pixel_Accuracy"], before["Pixel_Accuracy"]),
        "baseline_speed": slow,
        "candidate_speed": fast,
        "speedup_latency": _quotient(slow["avg_ms_per_iter"], fast["avg_ms_per_iter"]),
        "speedup_fps": _quotient(fast["fps"], slow["fps"]),
        "baseline_flops_params": _costs(baseline["size"]),
        "candidate_flops_params": _costs(candidate["size"]),
        "pruning_ratios": _ratios(cell),
        "oracle_analysis": _oracle(cell),
        "reconstruction_mse": (cell["comparison"] or {}).get("reconstruction_mse"),
        "evaluation_config": {
            "batch_size": (benchmark.get("evaluation") or {}).get("batch_size"),
            "oracle_samples": _oracle_samples(benchmark),
            "baseline_checkpoint": baseline["artifact"],
            "candidate_checkpoint": candidate["artifact"],
        },
    }


def formatted(value: int) -> str:
    """Returns a count with three digits and the letter of its size, as the original's counter writes it."""
    for unit, letter in _UNITS:
        if value // unit > 0:
            return f"{value / unit:.3f}{letter}"
    return f"{value:.3f}B"


def _results(step: Mapping[str, Any], protocol: str) -> dict[str, float | None]:
    metrics = step["metrics"] or {}
    return {key: metrics.get(name) for key, name in _RESULTS[protocol].items()}


def _speed(latency: Mapping[str, Any] | None, which: str) -> dict[str, float | None]:
    if latency is None:
        return dict.fromkeys(("avg_ms_per_iter", "fps", "pixels_per_second"))
    milliseconds, (height, width) = latency[which]["p50"], latency["input_size"]
    images = 1000.0 * latency["batch_size"] / milliseconds
    return {"avg_ms_per_iter": milliseconds, "fps": images, "pixels_per_second": images * height * width}


def _costs(size: Mapping[str, Any] | None) -> dict[str, Any]:
    if size is None:
        return dict.fromkeys(("FLOPs", "Params", "FLOPs_raw", "Params_raw"))
    macs, params = size["macs"], size["params"]
    return {"FLOPs": formatted(macs), "Params": formatted(params), "FLOPs_raw": macs, "Params_raw": params}


def _ratios(cell: Cell) -> dict[str, Any]:
    """Returns what is gone of Conv2d layers and their output channels, and of the channels that can go at all."""
    before, after = _convolutions(cell)
    return {
        "channel_prune_ratio": _removed(before.get("channels"), after.get("channels")),
        "layer_prune_ratio": _removed(before.get("layers"), after.get("layers")),
        "channels_before": before.get("channels"),
        "channels_after": after.get("channels"),
        "layers_before": before.get("layers"),
        "layers_after": after.get("layers"),
        "prunable_channel_reduction": cell["achieved"]["channels"],
    }


def _convolutions(cell: Cell) -> list[Mapping[str, int]]:
    """Returns the counts of baseline and candidate; models of earlier versions were counted by comparisons alone."""
    compared = cell["comparison"] or {}
    models = ((cell["baseline"], "convolutions_before"), (cell["steps"][-1], "convolutions_after"))
    return [(model["size"] or {}).get("convolutions") or compared.get(key) or {} for model, key in models]


def _removed(before: int | None, after: int | None) -> float | None:
    return 1 - after / before if before and after is not None else None


def _oracle(cell: Cell) -> dict[str, Any]:
    """Returns the original's figures, of the first layer, and every layer's rankings; empty where nobody asked.

    The original compares the oracle of the pruned model with L1 norms whatever the method; under `corrected` it is the
    oracle of the baseline, and the method's own ranking.
    """
    compared = cell["comparison"]
    if compared is None:
        return {}
    first = compared["layers"][0]
    ranking = first["l1" if cell["protocol"] == "seed" else "method"]
    return {
        "analyzed_layer": first["layer"],
        "layer_channels": first["channels"],
        "redundancy_identification_accuracy": ranking["accuracy"] if ranking else None,
        "chance": ranking["chance"] if ranking else None,
        "oracle_samples_used": compared["samples"],
        "oracle_of": compared["oracle_of"],
        "metric": compared["metric"],
        "split": compared["split"],
        "layers": compared["layers"],
    }


def _oracle_samples(benchmark: Mapping[str, Any]) -> int | None:
    return (benchmark.get("oracle") or {}).get("samples")


def _retention(after: float | None, before: float | None) -> float | None:
    return after / max(_TINY, before) if after is not None and before is not None else None


def _quotient(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def _files(experiments: Experiments, benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the content of the summary and of every report, by their path in the folder of the experiments."""
    named = list(zip(experiments.names, experiments.cells, strict=True))
    reports = {name: report(cell, benchmark) for name, cell in named if cell["status"] == "complete"}
    summary = {
        "benchmark_config": _config(experiments, benchmark),
        "summary_stats": _statistics(experiments.cells),
        "results": [_flat(name, cell, reports[name]) for name, cell in named if name in reports],
        "failed_experiments": [
            {
                "experiment_name": name,
                "pipeline": cell["pipeline"],
                "status": cell["status"],
                "failure": cell["failure"],
            }
            for name, cell in named
            if name not in reports
        ],
    }
    return {SUMMARY: summary, **{f"{name}/{REPORT}": found for name, found in reports.items()}}


def _flat(name: str, cell: Cell, found: Mapping[str, Any]) -> dict[str, Any]:
    """Returns an entry of the summary's `results`: the whole report, and what scripts draw curves from."""
    ratios = found["pruning_ratios"]
    return {
        **found,
        "experiment_name": name,
        "method": cell["method"],
        "ratio": cell["ratio"],
        "channel_reduction": ratios["channel_prune_ratio"],
        "prunable_channel_reduction": ratios["prunable_channel_reduction"],
    }


def _config(experiments: Experiments, benchmark: Mapping[str, Any]) -> dict[str, Any]:
    cells = experiments.cells
    shapes = [
        cell["baseline"]["size"]["input_shape"] for cell in cells if cell["baseline"] and cell["baseline"]["size"]
    ]
    artifacts = [cell["baseline"]["artifact"] for cell in cells if cell["baseline"]]
    return {
        "dataset": _one({cell["dataset"] for cell in cells}),
        "model": _one({cell["model"] for cell in cells}),
        "protocol": experiments.protocol,
        "seed": experiments.seed,
        "baseline": artifacts[0] if artifacts else None,
        "methods": sorted({cell["method"] for cell in cells}),
        "ratios": sorted({cell["ratio"] for cell in cells}),
        "input_size": ",".join(map(str, shapes[0][2:])) if shapes else None,
        "batch_size": (benchmark.get("evaluation") or {}).get("batch_size"),
        "oracle_samples": _oracle_samples(benchmark),
    }


def _one(names: set[str]) -> str | None:
    return ",".join(sorted(names)) or None


def _statistics(cells: Sequence[Cell]) -> dict[str, Any]:
    states = Counter(cell["status"] for cell in cells)
    completed, total = states["complete"], len(cells)
    return {
        "total_experiments": total,
        "completed": completed,
        "failed": states["failed"] + states["blocked"],
        "success_rate": completed / total if total else None,
    }


def _text(content: Any) -> str:
    return json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
