"""Records and summary follow the stages of a run."""

import json
import os
import shutil

import pytest
from cells import complete, complete_cell, make_plan_of

from harness.execution.records import RecordKeeper
from harness.execution.states import read_states
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.record import read_record, read_records

PLAN = make_plan_of(["l1@0.2+finetune", "l1@0.5+finetune"])
FIRST, SECOND = PLAN.cells


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


class Kept:
    def __init__(self, layout, plan=PLAN):
        self.states, self.notices = read_states(plan.stages, layout), []
        self.keeper = RecordKeeper(plan, layout, self.states, self.notices.append)

    def complete(self, layout, stage):
        complete(layout, stage)
        self.states.set(stage, "complete")
        self.keeper.update(stage)


def statuses(layout):
    return {record.pipeline: record.status for record in read_records(layout)}


def stamps(layout):
    return {path.parent.name: path.stat().st_mtime_ns for path in layout.cells.glob("*/record.json")}


def test_every_cell_has_a_record_from_the_beginning(layout):
    Kept(layout).keeper.begin()
    assert statuses(layout) == {"l1@0.2+finetune": "never_run", "l1@0.5+finetune": "never_run"}
    assert json.loads(layout.summary.read_text())["summary_stats"]["total_experiments"] == 2


def test_a_record_that_is_there_is_left_alone_at_the_beginning(layout):
    complete_cell(layout, FIRST)
    Kept(layout).keeper.write_all()
    before = stamps(layout)
    shutil.rmtree(layout.stages)
    Kept(layout).keeper.begin()
    assert stamps(layout) == before
    assert statuses(layout)["l1@0.2+finetune"] == "complete"


def test_what_a_killed_run_left_half_written_goes_and_what_another_one_just_finished_is_no_error(layout):
    Kept(layout).keeper.begin()
    folder = next(layout.cells.iterdir())
    old, young, gone = (folder / f".record.json.{name}.tmp" for name in ("old", "young", "gone"))
    old.write_text("{")
    os.utime(old, (0, 0))
    young.write_text("{")
    gone.symlink_to(folder / "renamed meanwhile")
    Kept(layout).keeper.begin()
    assert not old.exists()
    assert young.exists(), "its writer may be at work"


def test_a_record_is_written_with_the_last_stage_of_its_cell(layout):
    kept = Kept(layout)
    kept.keeper.begin()
    for stage in FIRST.stages[:-1]:
        kept.complete(layout, stage)
        assert statuses(layout)["l1@0.2+finetune"] == "never_run"
    kept.complete(layout, FIRST.stages[-1])
    assert statuses(layout) == {"l1@0.2+finetune": "complete", "l1@0.5+finetune": "never_run"}


def test_a_failure_of_what_they_share_settles_all_its_cells(layout):
    kept = Kept(layout)
    kept.keeper.begin()
    train = FIRST.stages[0]
    kept.states.set(train, "failed", Failure(kind="oom", message="too big"))
    kept.keeper.update(train)
    assert set(statuses(layout).values()) == {"blocked"}


def test_a_record_that_would_say_the_same_is_left_as_it_is(layout):
    complete_cell(layout, FIRST)
    written = Kept(layout).keeper.write_all()
    assert [record.status for record in written] == ["complete", "never_run"]
    before = stamps(layout)
    assert Kept(layout).keeper.write_all() == written
    assert stamps(layout) == before
    complete_cell(layout, FIRST, [{"score": 0.5}, {"score": 0.5}, {"score": 0.9}])
    Kept(layout).keeper.write_all()
    changed = {name for name, stamp in stamps(layout).items() if stamp != before[name]}
    assert len(changed) == 1


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (lambda raw: b"", "is empty"),
        (lambda raw: raw[:-9], "is not JSON"),
        (lambda raw: raw.replace(b'"score"', b'"scope"'), "its checksum does not fit"),
        (lambda raw: b"[]", "is not a JSON object"),
        (lambda raw: b'{"schema_version": 99}', "is of schema version 99"),
    ],
)
def test_a_damaged_record_is_set_aside_and_written_anew(layout, damage, problem):
    complete_cell(layout, FIRST)
    Kept(layout).keeper.write_all()
    path = layout.record(FIRST.cell.name)
    whole = read_record(path)
    raw = damage(path.read_bytes())
    path.write_bytes(raw)
    kept = Kept(layout)
    kept.keeper.begin()
    assert path.read_bytes() == raw
    kept.keeper.write_all()
    assert read_record(path) == whole
    (notice,) = kept.notices
    assert notice.startswith(f"set aside: {path}: ")
    assert problem in notice
    aside, reason = sorted(layout.aside.iterdir(), key=lambda path: len(path.name))
    assert aside.read_bytes() == raw
    assert problem in reason.read_text()


def test_the_summary_has_also_the_cells_that_others_wrote(layout):
    other = make_plan_of(["l1@0.8+finetune"])
    Kept(layout, other).keeper.write_all()
    Kept(layout).keeper.write_all()
    rows = json.loads(layout.summary.read_text())["results"]
    assert [row["pipeline"] for row in rows] == ["l1@0.2+finetune", "l1@0.5+finetune", "l1@0.8+finetune"]


def test_the_summary_takes_little_of_a_runs_time(layout, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("harness.execution.records.time.monotonic", lambda: now[0])
    kept = Kept(layout)
    kept.keeper.begin()
    layout.summary.unlink()
    kept.complete(layout, FIRST.stages[0])
    assert not layout.summary.exists(), "one was written a moment ago"
    now[0] += 11
    kept.complete(layout, FIRST.stages[1])
    assert layout.summary.exists()
