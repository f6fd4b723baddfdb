"""A planned cell and its stage files, made by hand, for tests of what reads them."""

import shutil

from harness.execution.states import read_states
from harness.plan.cell import Cell, ModelPoint, PlannedCell
from harness.plan.identity import StageFields
from harness.plan.plan import Plan
from harness.plan.stage import Stage
from harness.registry import MethodDescriptor, Metric, TaskDescriptor
from harness.spec.benchmark import Benchmark
from harness.spec.pipeline import parse_pipeline
from harness.store.stage import StageFile, publish_stage

LATENCY = {
    "baseline_ms": {"p10": 1.0, "p50": 1.0, "p90": 1.0},
    "candidate_ms": {"p10": 0.5, "p50": 0.5, "p90": 0.5},
    "ratio": 0.5, "ratio_low": 0.4, "ratio_high": 0.6, "verdict": "faster", "rounds": 5, "batch_size": 1,
    "input_size": [8, 8], "dtype": "float32", "threads": 1, "runtime": "torch", "device": "cpu",
}  # fmt: skip
COMPARISON = {
    "reconstruction_mse": 0.25, "images": 12, "convolutions_before": {"layers": 4, "channels": 40},
    "convolutions_after": {"layers": 4, "channels": 20}, "oracle_of": "baseline", "metric": "score", "split": "val",
    "samples": 16,
    "layers": [
        {
            "layer": "first", "channels": 64, "analyzed": 64, "method_missing": "",
            "method": {"channels": 64, "k": 12, "accuracy": 0.5, "chance": 0.1875, "correlation": 0.4},
            "l1": {"channels": 64, "k": 12, "accuracy": 0.25, "chance": 0.1875, "correlation": 0.1},
        },
    ],
}  # fmt: skip


def make_stage(kind, label, **inputs):
    fields = StageFields(
        kind=kind,
        parameters={"label": label},
        inputs={role: source.identity for role, source in inputs.items()},
        plugins={"task": {"distribution": "invented", "version": "1", "source": None}},
    )
    return Stage(fields=fields, label=label, subject="model · data · seed 0", inputs=tuple(inputs.items()))


def make_cell(pipeline="l1@0.5+finetune"):
    """A cell whose steps are what their names say: `finetune` recovers, `none` makes no model, all else compresses."""
    parsed = parse_pipeline(pipeline)
    train = make_stage("train", "train model")
    points = [ModelPoint("baseline", "baseline", train, make_stage("evaluate", "evaluate baseline", model=train))]
    prepared = []
    for step in parsed.steps:
        name, source = step.calls[0].name, points[-1].made
        if name == "none":
            continue
        label = f"{step} after {points[-1].step}" if len(points) > 1 else str(step)
        if name == "finetune":
            made = make_stage("recover", f"recover {label}", model=source)
        else:
            prepared.append(make_stage("prepare", f"prepare {name}", model=source))
            made = make_stage("compress", f"compress {label}", model=source, state=prepared[-1])
        evaluated = make_stage("evaluate", f"evaluate {label}", model=made)
        points.append(ModelPoint(str(step), "recover" if name == "finetune" else "compress", made, evaluated))
    measured = make_stage("measure", f"measure {pipeline}", candidate=points[-1].made, baseline=train)
    cell = Cell(
        task="invented", model="model", dataset="data", pipeline=parsed, seed=0, protocol="corrected",
        ratio_of="channels",
    )  # fmt: skip
    return PlannedCell(cell, tuple(points), tuple(prepared), measured)


def complete(layout, stage, *, seconds=1.0, environment=None, day=1, **result):
    """Completes a stage with a small file for its model; what was complete before is replaced."""
    shutil.rmtree(layout.stage(stage.kind, stage.identity), ignore_errors=True)
    work = layout.work(stage.kind, stage.identity)
    (work / "model").mkdir(parents=True)
    (work / "model" / "weights.bin").write_bytes(stage.identity.encode())
    file = StageFile(
        kind=stage.kind, identity=stage.identity, fields=stage.fields.model_dump(mode="json"), label=stage.label,
        subject=stage.subject, result={**default_result(stage.kind), **result},
        started=f"2026-01-{day:02}T00:00:00+00:00", seconds=seconds, cpu_seconds=seconds,
        environment=environment or {"python": "3.12"},
    )  # fmt: skip
    publish_stage(layout, work, file)


def complete_cell(layout, planned, metrics=()):
    """Completes all stages of a cell; `metrics` are those of the baseline and of the model behind each step."""
    for stage in planned.stages:
        complete(layout, stage)
    for point, values in zip(planned.points, metrics, strict=False):
        complete(layout, point.evaluated, metrics=values)


def states_of(layout, planned):
    return read_states(planned.stages, layout)


def default_result(kind):
    """The figures of a stage as the readers of `stage.json` expect them."""
    size = {"params": 100, "macs": 1000, "input_shape": [1, 3, 8, 8], "bytes": 400}
    size["convolutions"] = {"layers": 4, "channels": 40}
    small = {"params": 50, "macs": 250, "input_shape": [1, 3, 8, 8], "bytes": 200}
    small["convolutions"] = {"layers": 4, "channels": 20}
    return {
        "train": {"size": size, "iterations": 70},
        "prepare": {},
        "compress": {"size": small, "achieved": {"channels": 0.5}, "checks": [{"name": "loads", "verdict": "pass"}]},
        "recover": {"size": small, "iterations": 20},
        "evaluate": {
            "metrics": {"score": 0.5},
            "split": "test",
            "labels": {"classes": 11, "ignore_index": 255},
        },
        "measure": {"latency": LATENCY},
        "oracle": {},
        "compare": COMPARISON,
    }[kind]


def make_plan_of(pipelines):
    """A plan of cells as `make_cell` makes them; they share what has one identity."""
    task = TaskDescriptor(
        name="invented", summary="x", implementation="nowhere:Nothing", metrics=(Metric(name="score"),)
    )
    methods = {
        name: MethodDescriptor(name=name, summary="x", implementation="nowhere:Nothing", family="x", axis=axis)
        for name, axis in (("l1", "ratio"), ("finetune", None))
    }
    cells = tuple(make_cell(pipeline) for pipeline in pipelines)
    asked = tuple(planned.cell for planned in cells)
    benchmark = Benchmark(name="noop", deterministic=True)
    return Plan(benchmark=benchmark, task=task, methods=methods, cells=cells, asked=asked)
