from types import SimpleNamespace

import pytest
from cells import complete, complete_cell, make_cell

from harness.execution.preview import preview
from harness.execution.states import RetryRule
from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import publish_failure


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


PLANNED = make_cell()
COMPRESSED = PLANNED.points[1].made


def shown(layout, *, retry=None, force=None):
    plan = SimpleNamespace(cells=(PLANNED,), stages=PLANNED.stages)
    return preview(plan, layout, retry=RetryRule(failed=retry) if retry else RetryRule(), force=force)


def test_an_empty_folder_runs_everything_and_cannot_say_how_long(layout):
    made = shown(layout)
    (cell,) = made.cells
    assert (cell.action, cell.reason, len(cell.to_run)) == ("run", "never run", 8)
    assert made.seconds is None
    assert made.sentence() == (
        "8 of 8 stages to run (1 train, 3 evaluate, 1 prepare, 1 compress, 1 recover, 1 measure)."
    )
    assert not layout.root.joinpath("stages").exists()


def test_what_is_there_is_kept_and_the_rest_estimated(layout):
    for stage in PLANNED.stages[:2]:
        complete(layout, stage, seconds=10)
    made = shown(layout)
    assert made.cells[0].reason == "never run: 2 of 8 stages are there already"
    assert made.seconds == 60
    assert "about 1 min 0 s with one worker" in made.sentence()


def test_a_complete_cell_is_kept_unless_it_is_forced(layout):
    complete_cell(layout, PLANNED)
    kept = shown(layout)
    assert (kept.cells[0].action, kept.cells[0].reason, kept.to_run, kept.seconds) == ("keep", "complete", (), 0)
    assert kept.sentence() == "Nothing to run: all 8 stages of 1 cells are settled."
    (again,) = shown(layout, force=lambda stage: True).cells
    assert (again.action, again.reason, len(again.to_run), again.seconds) == ("run", "forced (complete)", 8, 8)


def test_a_failed_cell_is_skipped_until_it_is_retried(layout):
    fail(layout)
    (skipped,) = shown(layout).cells
    assert (skipped.action, skipped.to_run) == ("skip", ())
    assert skipped.reason == "compress l1@0.5 failed before: oom (--retry oom)"
    (retried,) = shown(layout, retry=lambda failure: failure.kind == "oom").cells
    assert (retried.action, retried.reason) == ("run", "tried again: compress l1@0.5: oom: too big")
    assert len(retried.to_run) == 5


def test_json_names_cells_and_their_stages(layout):
    content = shown(layout).as_json()
    assert (content["stages"], content["stages_to_run"]) == (8, 8)
    assert content["cells"][0]["stages"][0] == {
        "kind": "train", "label": "train model", "identity": PLANNED.stages[0].identity,
    }  # fmt: skip


def test_a_forced_stage_takes_with_it_all_that_starts_from_it(layout):
    complete_cell(layout, PLANNED)
    made = shown(layout, force=lambda stage: stage.kind == "recover")
    (cell,) = made.cells
    assert [stage.kind for stage in cell.to_run] == ["recover", "evaluate", "measure"]
    assert (cell.state, cell.action, cell.reason) == ("complete", "run", "forced (complete)")
    assert (made.stages, made.seconds) == (8, 3)
    assert len(made.to_run) == 3


def test_a_failed_stage_that_is_forced_runs(layout):
    fail(layout, transient=False)
    (cell,) = shown(layout, force=lambda stage: stage.kind == "compress").cells
    assert (cell.action, cell.reason) == ("run", "forced (failed: compress l1@0.5: oom: too big)")
    assert cell.to_run[0] == COMPRESSED


def fail(layout, **keys):
    for stage in PLANNED.stages[:3]:
        complete(layout, stage)
    work = layout.work(COMPRESSED.kind, COMPRESSED.identity)
    failure = Failure(kind="oom", message="too big")
    publish_failure(layout, work, COMPRESSED.kind, COMPRESSED.identity, "x", failure, **keys)


def test_a_stage_that_was_ended_from_outside_is_tried_again_unasked(layout):
    fail(layout, transient=True)
    (cell,) = shown(layout).cells
    assert (cell.state, cell.action) == ("failed", "run")
    assert cell.reason == "tried again: compress l1@0.5: oom: too big"
    plan = SimpleNamespace(cells=(PLANNED,), stages=PLANNED.stages)
    (left,) = preview(plan, layout, retry=RetryRule(interrupted=False)).cells
    assert (left.action, left.to_run) == ("skip", ())


def test_a_cell_whose_interrupted_stage_is_left_alone_runs_what_does_not_need_it(layout):
    for stage in PLANNED.stages[:2]:
        complete(layout, stage)
    prepared = PLANNED.prepared[0]
    layout.work(prepared.kind, prepared.identity).mkdir(parents=True)
    (cell,) = shown(layout).cells
    assert cell.reason == "interrupted: prepare l1: stopped while it was in flight"
    assert len(cell.to_run) == 6


def test_a_stale_cell_says_what_has_changed(layout):
    (train, *_) = PLANNED.stages
    old = train.fields.model_copy(update={"dataset": "another"})
    complete(layout, Stage(fields=old, label=train.label, subject=train.subject), seconds=30)
    made = shown(layout)
    assert (made.cells[0].state, made.cells[0].reason) == ("stale", "stale: data set fingerprint")
    assert made.cells[0].action == "run"
    assert made.seconds == 240, "judged by the earlier one, where the plan has none of its own"


def test_a_cell_that_another_process_runs_says_so(layout):
    (train, *_) = PLANNED.stages
    lock = StageLock(layout, train.kind, train.identity)
    assert lock.acquire()
    (cell,) = shown(layout).cells
    lock.release()
    assert cell.state == "in_flight"
    assert cell.reason.startswith("in flight: train model: process ")


def test_cells_that_share_stages_are_estimated_each_and_together_once(layout):
    cells = (PLANNED, make_cell("l1@0.2+finetune"))
    stages = tuple(dict.fromkeys(stage for cell in cells for stage in cell.stages))
    complete(layout, stages[0], seconds=10)
    made = preview(SimpleNamespace(cells=cells, stages=stages), layout, retry=RetryRule())
    assert [cell.seconds for cell in made.cells] == [70, 70]
    assert made.seconds == 120
    assert len(made.to_run) == 12
