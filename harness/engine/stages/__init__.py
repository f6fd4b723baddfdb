"""The stages: each turns a job and its input folders into a result and the files in its work folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harness.engine.handover import TrainingHandedOver
from harness.engine.seeding import algorithms
from harness.engine.stages.compare import run_compare
from harness.engine.stages.compress import run_compress
from harness.engine.stages.evaluate import run_evaluate
from harness.engine.stages.measure import run_measure
from harness.engine.stages.oracle import run_oracle
from harness.engine.stages.prepare import run_prepare
from harness.engine.stages.recover import run_recover
from harness.engine.stages.train import run_train
from harness.engine.workbench import Launch, Progress, Workbench, open_workbench
from harness.plan.job import StageJob
from harness.plan.member import MemberJob
from harness.store.stage import StageKind

_STAGES: dict[StageKind, Callable[[Workbench], dict[str, Any]]] = {
    "train": run_train,
    "prepare": run_prepare,
    "compress": run_compress,
    "recover": run_recover,
    "evaluate": run_evaluate,
    "measure": run_measure,
    "oracle": run_oracle,
    "compare": run_compare,
}


def run_stage(job: StageJob, progress: Progress, launch: Launch | None = None) -> dict[str, Any]:
    """Runs one stage and returns its figures; everything it makes lies in `job.work`.

    Args:
        job: What to do.
        progress: Called with (done, total, text).
        launch: Has its training done by several processes, if that is asked for.
    """
    bench = open_workbench(job, progress)
    return _run(bench if launch is None else replace(bench, launch=launch), job)


def run_member(member: MemberJob, progress: Progress) -> None:
    """Runs a stage up to the end of its training, as one of the processes that do the training.

    Args:
        member: What to do.
        progress: Called with (done, total, text).
    """
    with suppress(TrainingHandedOver):
        _run(replace(open_workbench(member.stage, progress), member=member), member.stage)


def _run(bench: Workbench, job: StageJob) -> dict[str, Any]:
    kind = job.fields.kind
    with algorithms(deterministic=bench.deterministic and kind != "measure"):  # who deploys it takes the fastest ones
        return _STAGES[kind](bench)
