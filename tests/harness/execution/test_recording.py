"""Records from hand-made stage files."""

import json

import pytest
from cells import complete, complete_cell, make_cell, states_of

from harness.execution.recording import Recorder, same_result
from harness.registry import MethodDescriptor, Metric, TaskDescriptor
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.record import read_record, write_record
from harness.store.sealed import write_sealed

METHODS = {
    name: MethodDescriptor(name=name, summary="", implementation="x:Y", family="pruning", axis="ratio")
    for name in ("l1", "fpgm", "quantize")
}
METHODS |= {
    name: MethodDescriptor(name=name, summary="", implementation="x:Y", family="recovery", kind="recovery")
    for name in ("finetune", "none")
}
NOT_ASKED = {"comparison": "the benchmark has no oracle section"}
RECOVERED = [{"score": 0.8}, {"score": 0.2}, {"score": 0.6}]


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def recorder_of(layout, states, provenance=None, **metric):
    metrics = (Metric(name="score", **metric), Metric(name="other"))
    task = TaskDescriptor(name="invented", summary="", implementation="x:Y", metrics=metrics)
    return Recorder("test", layout, states, {"invented": task}, METHODS, provenance or {"command": ["bench"]})


def record_of(layout, planned, states=None, **keys):
    return recorder_of(layout, states or states_of(layout, planned), **keys).record(planned)


def test_a_complete_cell_has_its_figures_and_nothing_is_missing(layout):
    planned = make_cell()
    complete_cell(layout, planned, RECOVERED)
    record = record_of(layout, planned)
    assert record.status == "complete"
    assert (record.before_recovery, record.after_recovery) == (0.2, 0.6)
    assert record.retention == pytest.approx(0.75)
    assert record.delta == pytest.approx(-0.2)
    assert (record.achieved.channels, record.achieved.params, record.achieved.macs) == (0.5, 0.5, 0.75)
    assert record.seconds == len(planned.stages)
    assert record.latency.verdict == "faster"
    assert [check.step for check in record.checks] == ["l1@0.5"]
    assert {stage.kind: stage.iterations for stage in record.stages if stage.iterations} == {"train": 70, "recover": 20}
    assert record.missing == NOT_ASKED


def test_retention_is_the_inverse_where_lower_is_better(layout):
    planned = make_cell()
    complete_cell(layout, planned, [{"score": 0.1}, {"score": 0.5}, {"score": 0.2}])
    record = record_of(layout, planned, higher_is_better=False)
    assert record.retention == pytest.approx(0.5)
    assert record.delta == pytest.approx(0.1)


def test_decibels_have_a_delta_and_no_retention(layout):
    planned = make_cell()
    complete_cell(layout, planned, [{"score": 30.0}, {"score": 20.0}, {"score": 28.0}])
    record = record_of(layout, planned, unit="dB")
    assert record.retention is None
    assert record.delta == pytest.approx(-2)
    assert record.missing == {**NOT_ASKED, "retention": "a ratio of decibels means nothing"}


def test_a_baseline_of_zero_has_no_ratio(layout):
    planned = make_cell()
    complete_cell(layout, planned, [{"score": 0.0}, {"score": 0.2}, {"score": 0.6}])
    record = record_of(layout, planned)
    assert record.retention is None
    assert "score of 0" in record.missing["retention"]


def test_without_recovery_there_is_nothing_after_it(layout):
    planned = make_cell("l1@0.5+none")
    complete_cell(layout, planned, [{"score": 0.8}, {"score": 0.4}])
    record = record_of(layout, planned)
    assert (record.before_recovery, record.after_recovery) == (0.4, None)
    assert record.retention == pytest.approx(0.5)
    assert record.missing == {**NOT_ASKED, "after_recovery": "the pipeline has no recovery"}


def test_two_compressors_with_a_recovery_between_them(layout):
    planned = make_cell("l1@0.2+finetune+fpgm@0.5+none")
    complete_cell(layout, planned, [{"score": 0.8}, {"score": 0.5}, {"score": 0.7}, {"score": 0.4}])
    record = record_of(layout, planned)
    assert (record.before_recovery, record.after_recovery) == (0.5, 0.7)  # of the last recovery
    assert record.retention == pytest.approx(0.5)  # of the last model
    assert set(record.missing) == {"comparison", "target"}


def test_reductions_of_channels_are_each_of_what_was_left(layout):
    planned = make_cell("l1@0.2+none+fpgm@0.5+quantize+finetune")
    complete_cell(layout, planned)
    compressed = [point.made for point in planned.points if point.kind == "compress"]
    for stage, achieved in zip(compressed, ({"channels": 0.2}, {"channels": 0.5}, {}), strict=True):
        complete(layout, stage, achieved=achieved)
    record = record_of(layout, planned)
    assert record.achieved.channels == pytest.approx(0.6)
    assert record.target is None
    assert record.missing == {
        **NOT_ASKED,
        "target": "the pipeline has several compressors, or removes nothing that its ratio is about",
    }
    states = states_of(layout, planned)
    states.set(compressed[1], "failed", Failure(kind="oom", message="too big"))
    half = record_of(layout, planned, states)
    assert half.achieved.channels is None, "what the first removed is not what the pipeline removed"
    assert half.missing["achieved.channels"] == f"stage {compressed[1].label!r} failed"


def test_one_reduction_of_channels_is_exactly_what_the_method_says(layout):
    planned = make_cell()
    complete_cell(layout, planned)
    complete(layout, planned.points[1].made, achieved={"channels": 0.2})
    assert record_of(layout, planned).achieved.channels == 0.2


@pytest.mark.parametrize(
    ("removed", "missed", "reason"),
    [(0.5, False, None), (0.504, False, None), (0.49, True, "at its floor"), (0.52, True, "at its floor")],
)
def test_a_target_is_missed_by_more_than_a_hundredth_of_what_should_be_left(layout, removed, missed, reason):
    planned = make_cell()
    complete_cell(layout, planned)
    complete(
        layout, planned.points[1].made, achieved={"channels": removed}, details={"target": {"reason": "at its floor"}}
    )
    target = record_of(layout, planned).target
    assert (target.of, target.asked, target.reached) == ("channels", 0.5, removed)
    assert (target.missed, target.reason) == (missed, reason)


def test_a_missed_target_without_a_word_of_the_method(layout):
    planned = make_cell()
    complete_cell(layout, planned)
    complete(layout, planned.points[1].made, achieved={"channels": 0.1})
    assert record_of(layout, planned).target.reason == "the method does not say"


def test_a_pipeline_that_removes_no_channels_says_so(layout):
    planned = make_cell("l1@0.5+fpgm@0.5")
    complete_cell(layout, planned)
    for point in planned.points[1:]:
        complete(layout, point.made, achieved={})
    record = record_of(layout, planned)
    assert record.achieved.channels is None
    assert record.missing["achieved.channels"] == "the pipeline removes no channels"


def test_two_compressors_and_one_recovery_behind_both(layout):
    planned = make_cell("l1@0.2+none+fpgm@0.5+finetune")
    complete_cell(layout, planned, [{"score": 0.8}, {"score": 0.5}, {"score": 0.3}, {"score": 0.6}])
    record = record_of(layout, planned)
    assert (record.before_recovery, record.after_recovery) == (0.3, 0.6)


def test_a_metric_that_the_evaluator_leaves_open_says_so(layout):
    planned = make_cell()
    complete_cell(layout, planned, [{"score": 0.8}, {"score": 0.4}, {"score": None, "other": None}])
    record = record_of(layout, planned)
    assert record.missing == {
        **NOT_ASKED,
        "steps.1.metrics.score": "not defined by the evaluator",
        "steps.1.metrics.other": "not defined by the evaluator",
        "after_recovery": "score is not defined by the evaluator",
        "retention": "score is not defined by the evaluator",
        "delta": "score is not defined by the evaluator",
    }


def test_what_the_labels_are_comes_from_the_baselines_evaluation(layout):
    planned = make_cell()
    complete_cell(layout, planned, RECOVERED)
    assert record_of(layout, planned).labels.model_dump() == {"classes": 11, "ignore_index": 255}
    complete(layout, planned.points[0].evaluated, labels={"classes": 4, "ignore_index": None})
    record = record_of(layout, planned)
    assert (record.labels.classes, record.labels.ignore_index) == (4, None)
    assert record.missing == {**NOT_ASKED, "labels.ignore_index": "every label of the data set is a class"}


def test_stages_of_earlier_versions_say_less_and_the_record_says_why(layout):
    planned = make_cell()
    complete_cell(layout, planned, RECOVERED)
    complete(layout, planned.points[0].evaluated, labels=None)
    complete(layout, planned.points[0].made, size={"params": 1, "macs": 2, "input_shape": [1, 3, 8, 8], "bytes": 4})
    record = record_of(layout, planned)
    assert (record.labels, record.baseline.size.convolutions) == (None, None)
    assert record.steps[-1].size.convolutions.channels == 20
    assert record.missing == {
        **NOT_ASKED,
        "labels": "its evaluations were made by an earlier version, which did not note it",
        "baseline.size.convolutions": "the model was made by an earlier version, which did not count them",
    }
    write_record(layout, record)
    content = json.loads(layout.record(record.cell).read_text(encoding="utf-8"))
    del content["checksum"], content["labels"], content["missing"]["labels"]
    del content["baseline"]["size"]["convolutions"], content["missing"]["baseline.size.convolutions"]
    write_sealed(layout.record(record.cell), content)
    assert same_result(read_record(layout.record(record.cell)), record), "an earlier version's record stays as it is"


def nulls(value, path=""):
    if value is None:
        return [path]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in nulls(item, f"{path}.{key}".lstrip("."))]


@pytest.mark.parametrize("stages", [0, 1, 3, 5, 7])
def test_every_null_has_a_reason(layout, stages):
    planned = make_cell("l1@0.2+none+fpgm@0.5+finetune")
    for stage in planned.stages[:stages]:
        complete(layout, stage)
    record = record_of(layout, planned)
    shown = record.model_dump(mode="json", exclude={"failure", "failed_stage", "stages", "checks", "provenance"})
    assert set(nulls(shown)) == set(record.missing)
    assert len(record.missing) > 5
    assert all(record.missing.values())


def failed(layout, planned, stage):
    states = states_of(layout, planned)
    states.set(stage, "failed", Failure(kind="oom", message="too big"))
    return record_of(layout, planned, states)


def test_a_cell_is_blocked_by_what_it_shares_and_failed_by_its_own_work(layout):
    planned = make_cell()
    baseline, compressed, recovered = planned.points
    shared = [baseline.made, baseline.evaluated, planned.prepared[0]]
    own = [compressed.made, compressed.evaluated, recovered.made, recovered.evaluated, planned.measured]
    assert {failed(layout, planned, stage).status for stage in shared} == {"blocked"}
    assert {failed(layout, planned, stage).status for stage in own} == {"failed"}
    record = failed(layout, planned, planned.prepared[0])
    assert (record.failed_stage, record.failure.kind) == ("prepare l1", "oom")
    assert record.missing["latency"] == "stage 'prepare l1' failed"
    assert record.missing["steps.0.size"] == "stage 'prepare l1' failed"


def test_a_cell_is_interrupted_once_something_of_its_own_ran(layout):
    planned = make_cell()
    shared = [planned.points[0].made, planned.points[0].evaluated, *planned.prepared]
    for stage in shared:
        complete(layout, stage)
    never = record_of(layout, planned)
    assert never.status == "never_run"
    assert never.missing["seconds"] == "the cell has not been run"
    complete(layout, planned.points[1].made)
    assert record_of(layout, planned).status == "interrupted"


@pytest.mark.parametrize("state", ["running", "interrupted"])
def test_a_cell_is_interrupted_while_a_stage_is_in_flight(layout, state):
    planned = make_cell()
    states = states_of(layout, planned)
    states.set(planned.points[0].made, state)
    record = record_of(layout, planned, states)
    assert record.status == "interrupted"
    assert record.missing["latency"] == "the run was interrupted"
    assert record.stages[0].state == "interrupted"


def test_a_later_command_changes_only_who_recorded(layout):
    planned = make_cell()
    complete_cell(layout, planned, RECOVERED)
    complete(layout, planned.measured, environment={"python": "3.11"})
    first = record_of(layout, planned, provenance={"command": ["bench", "run"]})
    later = record_of(layout, planned, provenance={"command": ["bench", "run", "--workers", "2"]})
    assert first.provenance["stages"] == [{"python": "3.12"}, {"python": "3.11"}]
    assert first.provenance["plugins"]["train.task"]["distribution"] == "invented"
    assert first.provenance["recorded_by"] == {"command": ["bench", "run"]}
    assert first != later
    write_record(layout, first)
    stored = read_record(layout.record(first.cell))
    assert same_result(stored, later)
    complete(layout, planned.measured, environment={"python": "3.10"})
    assert not same_result(stored, record_of(layout, planned))
