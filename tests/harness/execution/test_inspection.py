"""A results folder as it stands today, with plans that are put into its hands."""

import shutil

import pytest
from cells import complete_cell, make_plan_of

from harness.errors import UserError
from harness.execution import inspection
from harness.execution.inspection import inspect_folder
from harness.execution.records import RecordKeeper
from harness.execution.states import read_states
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import publish_failure

PLAN = make_plan_of(["l1@0.2+finetune", "l1@0.5+finetune"])
OTHER = make_plan_of(["l1@0.8+finetune"])


@pytest.fixture
def layout(tmp_path, monkeypatch):
    monkeypatch.setattr(inspection, "_plan", lambda layout: PLAN.cells)
    return Layout(tmp_path)


def record(layout, plan):
    return RecordKeeper(plan, layout, read_states(plan.stages, layout), pytest.fail).write_all()


def states_of(found):
    return {cell.pipeline: cell.standing.state for cell in found.cells}


def test_planned_cells_with_their_records_and_the_time_that_is_left(layout):
    complete_cell(layout, PLAN.cells[0])
    (kept, _) = record(layout, PLAN)
    found = inspect_folder(layout)
    assert states_of(found) == {"l1@0.2+finetune": "complete", "l1@0.5+finetune": "never_run"}
    first, second = found.cells
    assert (first.record, first.planned, first.seconds) == (kept, PLAN.cells[0], 0)
    assert (second.record.status, second.seconds) == ("never_run", 5)
    assert (found.seconds, found.problems) == (5, [])
    assert found.standings.stage(PLAN.stages[0]).state == "complete"


def test_what_the_cells_share_is_counted_once(layout):
    complete_cell(layout, PLAN.cells[0])
    shutil.rmtree(layout.stage(PLAN.stages[0].kind, PLAN.stages[0].identity))
    found = inspect_folder(layout)
    assert [cell.seconds for cell in found.cells] == [1, 6]
    assert found.seconds == 6


def test_a_cell_without_a_record_is_listed(layout):
    found = inspect_folder(layout)
    assert [cell.record for cell in found.cells] == [None, None]
    assert found.seconds is None, "nothing like it was ever run"


def test_cells_that_the_last_run_did_not_ask_for_come_behind(layout):
    complete_cell(layout, OTHER.cells[0])
    record(layout, OTHER)
    found = inspect_folder(layout)
    assert [cell.pipeline for cell in found.cells] == ["l1@0.2+finetune", "l1@0.5+finetune", "l1@0.8+finetune"]
    outside = found.cells[-1]
    assert (outside.planned, outside.seconds, outside.standing.state) == (None, None, "complete")


def test_a_cell_outside_the_plan_is_stale_without_its_stages(layout):
    complete_cell(layout, OTHER.cells[0])
    record(layout, OTHER)
    train, measured = OTHER.stages[0], OTHER.cells[0].measured
    shutil.rmtree(layout.stage(train.kind, train.identity))
    (layout.stage(measured.kind, measured.identity) / "stage.json").write_text("{")
    outside = inspect_folder(layout).cells[-1]
    assert str(outside.standing).startswith("stale: gone: train model, damaged: ")
    assert "stage.json: is not JSON" in str(outside.standing)


def test_a_failed_cell_outside_the_plan_says_why(layout):
    compress = OTHER.cells[0].points[1].made
    work = layout.work(compress.kind, compress.identity)
    publish_failure(layout, work, compress.kind, compress.identity, "x", Failure(kind="oom", message="too big"))
    record(layout, OTHER)
    assert str(inspect_folder(layout).cells[-1].standing) == "failed: compress l1@0.8: oom: too big"


def test_a_plan_that_cannot_be_made_leaves_the_records(layout, monkeypatch):
    complete_cell(layout, PLAN.cells[0])
    record(layout, PLAN)

    def refuse(layout):
        message = "unknown method 'l1'"
        raise UserError(message)

    monkeypatch.setattr(inspection, "_plan", refuse)
    found = inspect_folder(layout)
    assert states_of(found) == {"l1@0.2+finetune": "complete", "l1@0.5+finetune": "never_run"}
    assert found.problems == ["what the last run asked for cannot be planned today: unknown method 'l1'"]
    assert (found.standings, found.seconds) == (None, None)


def test_a_damaged_record_is_a_problem_and_its_cell_still_there(layout):
    record(layout, PLAN)
    path = layout.record(PLAN.cells[0].cell.name)
    path.write_text("")
    found = inspect_folder(layout)
    assert len(found.cells) == 2
    assert found.cells[0].record is None
    assert found.problems == [f"{path}: is empty"]


def test_nothing_is_written(layout):
    complete_cell(layout, PLAN.cells[0])
    record(layout, PLAN)
    (layout.stage("train", PLAN.stages[0].identity) / "stage.json").write_text("{")
    before = {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")}
    inspect_folder(layout)
    assert {path: path.stat().st_mtime_ns for path in layout.root.rglob("*")} == before


def test_without_a_benchmark_file_there_is_no_plan(tmp_path):
    complete_cell(Layout(tmp_path), PLAN.cells[0])
    record(Layout(tmp_path), PLAN)
    found = inspect_folder(Layout(tmp_path))
    assert len(found.cells) == 2
    assert found.problems[0].endswith("benchmark.yaml: there is none")
