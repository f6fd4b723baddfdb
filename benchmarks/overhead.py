"""What the train stage costs over the same bare `mmengine.Runner`.

Both train the same network from the same seed on the same scenes, in turn, in one process. The stage builds the model,
trains, writes the artifact and counts MACs; the bare side builds the model and calls `Runner.train`, with the same
hooks but ours.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from mmengine.runner import Runner

from harness.engine.stages import run_stage
from harness.engine.workbench import model_config, open_workbench
from harness.plan.identity import identity_of
from harness.plan.job import StageJob
from harness.plan.plan import make_plan
from harness.registry import LoaderRequest, discover
from harness.spec.benchmark import Benchmark
from harness.spec.budget import TrainingBudget


def main() -> None:
    """Prints each pair and the median ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="alternations")
    parser.add_argument("--iterations", type=int, default=200, help="optimiser steps of one training")
    arguments = parser.parse_args()
    training = {"iterations": arguments.iterations, "batch_size": 16}
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(-1, arguments.pairs):  # the first pair warms up and is not counted
            order = ("stage", "bare") if number % 2 == 0 else ("bare", "stage")
            seconds = {which: _timed(which, training, Path(folder) / f"{number}-{which}", number) for which in order}
            ratio = seconds["stage"] / seconds["bare"]
            print(f"{number}: stage {seconds['stage']:.2f} s, bare {seconds['bare']:.2f} s, ratio {ratio:.3f}")
            ratios.extend([ratio] if number >= 0 else [])
    print(f"median ratio {statistics.median(ratios):.3f} (min {min(ratios):.3f}, max {max(ratios):.3f})")


def _timed(which: str, training: dict[str, Any], work: Path, number: int) -> float:
    work.mkdir()
    job = _job(training, work, seed=number + 1)
    run = _run_stage if which == "stage" else _run_bare
    with _quiet():
        start = time.perf_counter()
        run(job)
        return time.perf_counter() - start


def _job(training: dict[str, Any], work: Path, seed: int) -> StageJob:
    benchmark = Benchmark.model_validate({"methods": ["l1"], "ratios": [0.5], "seeds": [seed], "training": training})
    stage = make_plan(benchmark, discover()).stages[0]
    return StageJob(
        fields=stage.fields, identity=identity_of(stage.fields) + work.name, label=stage.label, inputs={}, work=work,
        root=work, threads=torch.get_num_threads(),
    )  # fmt: skip


def _run_stage(job: StageJob) -> None:
    run_stage(job, lambda done, total, text: None)


def _run_bare(job: StageJob) -> None:
    bench = open_workbench(job, lambda done, total, text: None)
    budget = TrainingBudget.model_validate(bench.parameters["training"])
    request = LoaderRequest(split="train", batch_size=budget.batch_size, shuffle=True, iterations=budget.iterations)
    Runner(
        model=model_config(bench),
        work_dir=str(job.work),
        train_dataloader=bench.dataset.loader(request),
        train_cfg={"type": "IterBasedTrainLoop", "max_iters": budget.iterations, "val_interval": budget.iterations + 1},
        optim_wrapper={"type": "OptimWrapper", "optimizer": dict(budget.optimizer)},
        param_scheduler=[
            {
                "type": "OneCycleLR",
                "eta_max": budget.schedule.max_lr or budget.optimizer["lr"],
                "total_steps": budget.iterations,
                "by_epoch": False,
            },
        ],
        log_processor={"by_epoch": False},
        default_hooks={
            "checkpoint": None,
            "logger": {"type": "LoggerHook", "interval": 50, "log_metric_by_epoch": False},
        },
        randomness={"seed": 0},
        default_scope=bench.scope,
        experiment_name=job.identity,
    ).train()


@contextlib.contextmanager
def _quiet() -> Any:
    saved = [os.dup(descriptor) for descriptor in (1, 2)]
    with Path(os.devnull).open("w") as sink:
        for descriptor in (1, 2):
            os.dup2(sink.fileno(), descriptor)
        try:
            yield
        finally:
            for descriptor, original in zip((1, 2), saved, strict=True):
                os.dup2(original, descriptor)
                os.close(original)


if __name__ == "__main__":
    main()
