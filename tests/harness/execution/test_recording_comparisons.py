"""What the oracle has found, in records."""

from dataclasses import replace

import pytest
from cells import COMPARISON, complete_cell, make_cell, make_stage, states_of

from harness.execution.recording import Recorder
from harness.registry import MethodDescriptor, Metric, TaskDescriptor
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.record import read_record, write_record
from harness.store.summary import flatten

METHODS = {
    "l1": MethodDescriptor(name="l1", summary="", implementation="x:Y", family="pruning", axis="ratio"),
    "finetune": MethodDescriptor(name="finetune", summary="", implementation="x:Y", family="recovery", kind="recovery"),
}
TASK = TaskDescriptor(name="invented", summary="", implementation="x:Y", metrics=(Metric(name="score"),))
LAYER = COMPARISON["layers"][0]


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def compared_cell(of="baseline"):
    planned = make_cell()
    last = planned.points[-1].made
    oracle = make_stage("oracle", "oracle", model=planned.points[0].made if of == "baseline" else last)
    compared = make_stage(
        "compare", "compare", candidate=last, baseline=planned.points[0].made, oracle=oracle, state=planned.prepared[0]
    )
    return replace(planned, oracle=oracle, compared=compared)


def record_of(layout, planned, failed=None):
    states = states_of(layout, planned)
    if failed is not None:
        states.set(failed, "failed", Failure(kind="oom", message="too big"))
    return Recorder("test", layout, states, {"invented": TASK}, METHODS, {}).record(planned)


def test_a_comparison_is_in_the_record_and_on_disk(layout):
    planned = compared_cell()
    complete_cell(layout, planned, [{"score": 0.8}, {"score": 0.2}, {"score": 0.6}])
    record = record_of(layout, planned)
    assert record.comparison.model_dump(mode="json") == COMPARISON
    assert (record.status, record.missing) == ("complete", {})
    kinds = [stage.kind for stage in record.stages]
    assert (kinds[:2], kinds[-2:]) == (["train", "oracle"], ["compare", "measure"])
    write_record(layout, record)
    assert read_record(layout.record(record.cell)) == record
    row = flatten(record)
    assert (row["oracle_accuracy"], row["oracle_chance"], row["reconstruction_mse"]) == (0.5, 0.1875, 0.25)
    assert (row["oracle_seconds"], row["compare_seconds"]) == (1.0, 1.0)


def test_every_null_of_a_comparison_has_its_reason(layout, monkeypatch):
    unranked = {**LAYER, "method": None, "method_missing": "it ranks nothing", "l1": None}
    flat = {**LAYER, "method": {**LAYER["method"], "correlation": None}}
    planned = compared_cell()
    changed = {**COMPARISON, "reconstruction_mse": None, "layers": [unranked, flat]}
    monkeypatch.setitem(COMPARISON, "reconstruction_mse", None)
    monkeypatch.setitem(COMPARISON, "layers", changed["layers"])
    complete_cell(layout, planned, [{"score": 0.8}, {"score": 0.2}, {"score": 0.6}])
    assert record_of(layout, planned).missing == {
        "comparison.reconstruction_mse": "the outputs are not finite",
        "comparison.layers.0.method": "it ranks nothing",
        "comparison.layers.0.l1": "score is not defined without any of the channels",
        "comparison.layers.1.method.correlation": "the scores, or what the oracle says, are all the same",
    }


@pytest.mark.parametrize(("of", "status"), [("baseline", "blocked"), ("candidate", "failed")])
def test_an_oracle_of_the_baseline_is_shared_and_one_of_the_last_model_is_the_cells_own(layout, of, status):
    planned = compared_cell(of)
    record = record_of(layout, planned, failed=planned.oracle)
    assert (record.status, record.failed_stage) == (status, "oracle")
    assert record.missing["comparison"] == "stage 'oracle' failed"


def test_a_failed_comparison_fails_the_cell(layout):
    planned = compared_cell()
    assert record_of(layout, planned, failed=planned.compared).status == "failed"


def test_a_cell_that_was_not_run_says_so(layout):
    assert record_of(layout, compared_cell()).missing["comparison"] == "the cell has not been run"
