"""A results folder may hold cells of several budgets."""

from records import make_record

from harness.report.choice import default_columns
from harness.report.collection import Run
from harness.report.columns import COLUMNS
from harness.report.rows import make_rows
from harness.store.record import StageCost, StepResult
from harness.store.summary import flatten


def cost(kind, seconds, iterations=None, identity="0"):
    return StageCost(kind=kind, label=kind, identity=identity, state="complete", seconds=seconds, iterations=iterations)


def record_of(pipeline, *, trained=100, recovered=20, baseline=0.6):
    record = make_record(pipeline)
    stages = [cost("train", 50.0, trained, f"train {trained}"), cost("evaluate", 2.0), cost("evaluate", 3.0)]
    stages += [cost("recover", 5.0, recovered)] if recovered is not None else []
    step = StepResult(step="baseline", kind="baseline", metrics={"mIoU": baseline}, size=record.baseline.size)
    return record.model_copy(update={"stages": [*stages, cost("measure", 4.0)], "baseline": step})


def rows_of(tmp_path, *records):
    return make_rows([Run(tmp_path, list(records))])


def test_each_training_has_its_own_baseline_above_its_cells(tmp_path):
    short = [record_of("fpgm@0.5+finetune", trained=100), record_of("l1@0.5+finetune", trained=100)]
    long = [record_of("fpgm@0.2+finetune", trained=200, baseline=0.7)]
    rows = rows_of(tmp_path, short[0], *long, short[1])
    assert [(row["method"], row["train_iterations"], row["baseline_metric"]) for row in rows] == [
        ("baseline", 100, 0.6), ("fpgm", 100, 0.6), ("l1", 100, 0.6), ("baseline", 200, 0.7), ("fpgm", 200, 0.7),
    ]  # fmt: skip


def test_budgets_are_shown_where_they_differ(tmp_path):
    first = record_of("l1@0.5+finetune")
    assert not {"train_iterations", "recover_iterations"} & set(default_columns(rows_of(tmp_path, first)))
    without = record_of("l1@0.2+none", recovered=None)
    assert "recover_iterations" not in default_columns(rows_of(tmp_path, first, without))
    other = record_of("l1@0.2+finetune", recovered=30)
    assert "recover_iterations" in default_columns(rows_of(tmp_path, first, other))
    assert "train_iterations" not in default_columns(rows_of(tmp_path, first, other))
    longer = record_of("l1@0.2+finetune", trained=200)
    assert "train_iterations" in default_columns(rows_of(tmp_path, first, longer))


def test_iterations_and_seconds_of_several_stages_are_added_up():
    record = record_of("l1@0.5+finetune")
    twice = record.model_copy(update={"stages": [*record.stages, cost("recover", 6.0, 7)]})
    flat = flatten(twice)
    assert (flat["train_iterations"], flat["recover_iterations"]) == (100, 27)
    assert (flat["recover_seconds"], flat["evaluate_seconds"], flat["measure_seconds"]) == (11.0, 5.0, 4.0)
    assert flat["prepare_seconds"] is None
    assert flatten(record_of("l1@0.5+none", recovered=None))["recover_iterations"] is None
    assert {"train_iterations", "recover_iterations", "evaluate_seconds", "measure_seconds"} <= set(COLUMNS)


def test_the_baseline_has_its_own_seconds(tmp_path):
    baseline = rows_of(tmp_path, record_of("l1@0.5+finetune"))[0]
    assert (baseline["train_seconds"], baseline["evaluate_seconds"], baseline["seconds"]) == (50.0, 2.0, 52.0)
