"""Records as runs write them, for tests of what reads them."""

from harness.store.failure import Failure
from harness.store.record import (
    Achieved,
    CellRecord,
    Latency,
    MetricInfo,
    Quantiles,
    Size,
    StageCost,
    StepResult,
)


def make_record(pipeline, *, status="complete", after=0.58, seed=0, role="candidate", model="residual_fcn", ratio=0.5):
    method = pipeline.partition("@")[0]
    complete = status == "complete"
    return CellRecord(
        cell=f"{model}__digits__{pipeline}__seed{seed}",
        benchmark="demo",
        task="segmentation",
        model=model,
        dataset="digits",
        pipeline=pipeline,
        method=method,
        setting=ratio,
        ratio=ratio,
        ratio_of="channels",
        seed=seed,
        protocol="corrected",
        role=role,
        status=status,
        failure=None if complete else Failure(kind="oom", message="too big"),
        failed_stage=None if complete else f"recover {pipeline}",
        primary_metric="mIoU",
        metric_info={"mIoU": MetricInfo(unit="fraction", higher_is_better=True)},
        baseline=_step("baseline", "baseline", 0.6, 1000, 5000),
        steps=[_step(f"{method}@{ratio}", "compress", 0.3, 250, 1250)] if complete else [],
        before_recovery=0.3 if complete else None,
        after_recovery=after if complete else None,
        retention=after / 0.6 if complete and after else None,
        achieved=Achieved(channels=0.5, params=0.75, macs=0.75) if complete else Achieved(),
        latency=_latency() if complete else None,
        stages=[
            StageCost(kind="train", label="train", identity="0" * 64, state="complete", seconds=100.0),
            StageCost(kind="prepare", label="prepare", identity="1" * 64, state="complete", seconds=2.0),
        ],
        seconds=130.0 if complete else None,
    )


def _step(name, kind, metric, params, macs):
    size = Size(params=params, macs=macs, input_shape=(1, 3, 64, 64), bytes=4 * params)
    return StepResult(
        step=name, kind=kind, metrics={"mIoU": metric}, split="test", size=size, artifact=f"stages/{name}"
    )


def _latency():
    times = Quantiles(p10=1.0, p50=1.1, p90=1.2)
    return Latency(
        baseline_ms=times,
        candidate_ms=times,
        ratio=0.7,
        ratio_low=0.65,
        ratio_high=0.75,
        verdict="faster",
        rounds=50,
        batch_size=1,
        input_size=(64, 64),
        dtype="float32",
        threads=1,
        runtime="torch",
        device="cpu",
    )
