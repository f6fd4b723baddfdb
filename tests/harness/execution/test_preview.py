from types import SimpleNamespace

import pytest
from cells import complete, complete_cell, make_cell

from harness.execution.preview import preview
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import publish_failure


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


PLANNED = make_cell()
COMPRESSED = PLANNED.points[1].made


def shown(layout, *, retry=lambda failure: False, skip_existing=True):
    plan = SimpleNamespace(cells=(PLANNED,), stages=PLANNED.stages)
    return preview(plan, layout, retry=retry, skip_existing=skip_existing)


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
    assert made.cells[0].reason == "2 of 8 stages are there already"
    assert made.seconds == 60
    assert "about 1 min 0 s with one worker" in made.sentence()


def test_a_complete_cell_is_kept_unless_it_is_asked_for_again(layout):
    complete_cell(layout, PLANNED)
    kept = shown(layout)
    assert (kept.cells[0].action, kept.to_run, kept.seconds) == ("keep", (), 0)
    assert kept.sentence() == "Nothing to run: all 8 stages of 1 cells are settled."
    (again,) = shown(layout, skip_existing=False).cells
    assert (again.action, again.reason, len(again.to_run)) == ("run", "asked to run again", 8)


def test_a_failed_cell_is_skipped_until_it_is_retried(layout):
    for stage in PLANNED.stages[:3]:
        complete(layout, stage)
    work = layout.work(COMPRESSED.kind, COMPRESSED.identity)
    publish_failure(layout, work, COMPRESSED.kind, COMPRESSED.identity, "x", Failure(kind="oom", message="too big"))
    (skipped,) = shown(layout).cells
    assert (skipped.action, skipped.to_run) == ("skip", ())
    assert skipped.reason == "compress l1@0.5 failed before: oom (--retry oom)"
    assert shown(layout, retry=lambda failure: failure.kind == "oom").cells[0].action == "run"


def test_json_names_cells_and_their_stages(layout):
    content = shown(layout).as_json()
    assert (content["stages"], content["stages_to_run"]) == (8, 8)
    assert content["cells"][0]["stages"][0] == {
        "kind": "train", "label": "train model", "identity": PLANNED.stages[0].identity,
    }  # fmt: skip
