"""The six stages: each turns a job and its input folders into a result and the files in its work folder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.engine.seeding import algorithms
from harness.engine.stages.compress import run_compress
from harness.engine.stages.evaluate import run_evaluate
from harness.engine.stages.measure import run_measure
from harness.engine.stages.prepare import run_prepare
from harness.engine.stages.recover import run_recover
from harness.engine.stages.train import run_train
from harness.engine.workbench import Progress, Workbench, open_workbench
from harness.plan.job import StageJob
from harness.store.stage import StageKind

_STAGES: dict[StageKind, Callable[[Workbench], dict[str, Any]]] = {
    "train": run_train,
    "prepare": run_prepare,
    "compress": run_compress,
    "recover": run_recover,
    "evaluate": run_evaluate,
    "measure": run_measure,
}


def run_stage(job: StageJob, progress: Progress) -> dict[str, Any]:
    """Runs one stage and returns its figures; everything it makes lies in `job.work`.

    Args:
        job: What to do.
        progress: Called with (done, total, text).
    """
    bench = open_workbench(job, progress)
    kind = job.fields.kind
    with algorithms(deterministic=bench.deterministic and kind != "measure"):  # who deploys it takes the fastest ones
        return _STAGES[kind](bench)
