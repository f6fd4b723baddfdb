"""What single stages made."""

import json

import pytest
from cells import LATENCY, complete, make_cell, make_stage

from harness.execution.run import RunOutcome
from harness.execution.stage_results import stage_results
from harness.execution.states import read_states
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import StageFile, publish_stage


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def results_of(layout, planned, executed=(), change=None):
    states = read_states(planned.stages, layout)
    if change is not None:
        change(states)
    outcome = RunOutcome(records=[], executed=list(executed), states=states)
    found = stage_results(planned.stages, layout, outcome)
    assert json.loads(json.dumps([result.as_json() for result in found]))
    return {result.label: result for result in found}


def test_each_has_its_figures_and_models_their_folder(layout):
    planned = make_cell()
    for stage in planned.stages:
        complete(layout, stage, seconds=3.0)
    train = planned.points[0].made
    complete(layout, train, final_loss=0.25)
    found = results_of(layout, planned, executed=[train])
    first = found["train model"]
    assert (first.state, first.ran, first.seconds) == ("complete", True, 1.0)
    assert first.figures == {
        "iterations": 70, "loss": 0.25, "params": 100, "macs": 1000, "input_shape": [1, 3, 8, 8], "bytes": 400,
        "convolutions": {"layers": 4, "channels": 40},
    }  # fmt: skip
    assert (layout.root / first.artifact / "weights.bin").is_file()
    compressed = found["compress l1@0.5"]
    assert compressed.figures["removed"] == {"channels": 0.5, "params": 0.5, "macs": 0.75}
    assert compressed.artifact == f"stages/compress-{planned.points[1].made.identity[:20]}/model"
    assert not compressed.ran
    assert found["evaluate baseline"].figures == {"split": "test", "metrics": {"score": 0.5}}
    assert found["measure l1@0.5+finetune"].figures == LATENCY
    assert [label for label, result in found.items() if result.artifact is None] == [
        "evaluate baseline", "prepare l1", "evaluate l1@0.5", "evaluate finetune after l1@0.5",
        "measure l1@0.5+finetune",
    ]  # fmt: skip


def test_reductions_are_those_of_the_baseline_through_all_steps(layout):
    planned = make_cell("l1@0.5+finetune+l2@0.3")
    for stage in planned.stages:
        complete(layout, stage)
    size = {"params": 10, "macs": 100, "input_shape": [1, 3, 8, 8], "bytes": 40}
    complete(layout, planned.points[3].made, size=size)
    removed = results_of(layout, planned)["compress l2@0.3 after finetune"].figures["removed"]
    assert removed == {"channels": 0.5, "params": pytest.approx(0.9), "macs": pytest.approx(0.9)}


def test_what_is_not_complete_has_a_state_and_a_reason_and_no_figures(layout):
    planned = make_cell()
    failure = Failure(kind="oom", message="too big")
    found = results_of(layout, planned, change=lambda states: states.set(planned.prepared[0], "failed", failure))
    assert (found["prepare l1"].state, found["prepare l1"].failure) == ("failed", failure)
    assert (found["compress l1@0.5"].state, found["compress l1@0.5"].blocked_by) == ("blocked", "prepare l1")
    assert (found["train model"].state, found["train model"].figures) == ("never_run", {})
    stopped = results_of(layout, planned, change=lambda states: states.set(planned.points[0].made, "running"))
    assert stopped["train model"].state == "interrupted"


def test_an_oracle_names_its_layers_and_a_comparison_says_all_that_it_found(layout):
    planned = make_cell()
    oracle = make_stage("oracle", "oracle of baseline", model=planned.points[0].made)
    compared = make_stage("compare", "compare", oracle=oracle)
    layers = [{"layer": "stem", "channels": 2, "analyzed": [0, 1], "importance": [0.1, 0.2]}]
    _publish(layout, oracle, {"split": "val", "samples": 4, "metric": "score", "value": 0.5, "layers": layers})
    _publish(layout, compared, {"reconstruction_mse": 0.125})
    outcome = RunOutcome(records=[], states=read_states([*planned.stages, oracle, compared], layout))
    first, second = stage_results([oracle, compared], layout, outcome)
    assert first.figures["layers"] == ["stem"]
    assert second.figures == {"reconstruction_mse": 0.125}


def _publish(layout, stage, result):
    work = layout.work(stage.kind, stage.identity)
    work.mkdir(parents=True)
    file = StageFile(
        kind=stage.kind, identity=stage.identity, fields=stage.fields.model_dump(mode="json"), label=stage.label,
        result=result, started="2026-01-01T00:00:00+00:00", seconds=1.0, cpu_seconds=1.0, environment={},
    )  # fmt: skip
    publish_stage(layout, work, file)
