"""Stage `evaluate`: the task's metrics by the framework's own evaluator."""

from __future__ import annotations

import math
from typing import Any

from harness.engine.first_batch import FirstBatchHook, open_loader
from harness.engine.stages.models import load_input
from harness.engine.training import evaluate
from harness.engine.workbench import Workbench
from harness.registry import LoaderRequest


def run_evaluate(bench: Workbench) -> dict[str, Any]:
    """Evaluates the input model on the split that reports use; an undefined metric is null.

    What its labels are stands beside the metrics, for readers that have no data set at hand.
    """
    asked = bench.parameters["evaluation"]
    split = bench.meta.report_split
    request = LoaderRequest(split=split, batch_size=asked["batch_size"], samples=asked["samples"])
    raw = evaluate(
        load_input(bench, "model").model,
        loader=open_loader(bench, request),
        evaluator=bench.task.evaluator(bench.meta),
        scope=bench.scope,
        name=bench.job.identity,
        work=bench.job.work / "mmengine",
        progress=bench.progress,
        hooks=[FirstBatchHook(bench, request)],
    )
    metrics = bench.task.metrics(raw, bench.meta)
    return {
        "split": split,
        "labels": {"classes": len(bench.meta.classes), "ignore_index": bench.meta.ignore_index},
        "metrics": {key: value if math.isfinite(value) else None for key, value in metrics.items()},
    }
