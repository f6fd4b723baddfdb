import shutil

import pytest
from cells import complete, complete_cell, make_cell

from harness.execution.forcing import dependents_too, remove_forced
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import publish_failure, read_failure, read_stage

PLANNED = make_cell()
STAGES = PLANNED.stages
TRAIN, EVALUATE, PREPARE, COMPRESS, *_ = STAGES
MEASURE = PLANNED.measured


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def remove(layout, *wanted):
    return remove_forced(STAGES, layout, lambda stage: stage in wanted)


@pytest.mark.parametrize(
    ("forced", "kinds"),
    [
        ([], []),
        ([MEASURE], ["measure"]),
        ([EVALUATE], ["evaluate"]),
        ([COMPRESS], ["compress", "evaluate", "recover", "evaluate", "measure"]),
        ([COMPRESS, MEASURE], ["compress", "evaluate", "recover", "evaluate", "measure"]),
        ([PREPARE], ["prepare", "compress", "evaluate", "recover", "evaluate", "measure"]),
        ([TRAIN], [stage.kind for stage in STAGES]),
    ],
)
def test_what_starts_from_a_forced_stage_is_forced_too(layout, forced, kinds):
    complete_cell(layout, PLANNED)
    behind = dependents_too(STAGES, lambda stage: stage in forced)
    assert sorted(stage.kind for stage in behind) == sorted(kinds)
    assert remove(layout, *forced) == [stage for stage in STAGES if stage in behind]
    gone = [stage for stage in STAGES if read_stage(layout, stage.kind, stage.identity) is None]
    assert gone == [stage for stage in STAGES if stage in behind]


def test_what_was_complete_is_kept_until_its_successor_is_there(layout):
    complete(layout, MEASURE, number=1)
    remove(layout, MEASURE)
    kept = layout.forced(MEASURE.kind, MEASURE.identity)
    assert '"number": 1' in (kept / "stage.json").read_text()
    assert remove(layout, MEASURE) == [MEASURE]
    assert kept.exists(), "nothing came in its place yet"
    complete(layout, MEASURE, number=2)
    assert not kept.exists()


def test_an_older_one_makes_room(layout):
    complete(layout, MEASURE, number=1)
    kept = layout.forced(MEASURE.kind, MEASURE.identity)
    kept.mkdir(parents=True)
    (kept / "old").write_text("")
    remove(layout, MEASURE)
    assert [path.name for path in sorted(kept.iterdir())] == ["model", "stage.json"]


def test_failures_and_what_was_begun_are_forgotten(layout):
    for stage in (TRAIN, MEASURE):
        (layout.work(stage.kind, stage.identity) / "checkpoints").mkdir(parents=True)
        publish_failure(
            layout, layout.root / "nowhere", stage.kind, stage.identity, "x", Failure(kind="oom", message="x")
        )
    remove(layout, MEASURE)
    assert read_failure(layout, MEASURE.kind, MEASURE.identity) is None
    assert not layout.work(MEASURE.kind, MEASURE.identity).exists()
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) is not None
    assert layout.work(TRAIN.kind, TRAIN.identity).exists()


def test_what_another_process_runs_now_is_left_to_it(layout):
    complete_cell(layout, PLANNED)
    shutil.rmtree(layout.stage(COMPRESS.kind, COMPRESS.identity))
    work = layout.work(COMPRESS.kind, COMPRESS.identity)
    work.mkdir(parents=True)
    lock = StageLock(layout, COMPRESS.kind, COMPRESS.identity)
    assert lock.acquire()
    removed = remove(layout, COMPRESS)
    assert work.exists()
    lock.release()
    assert COMPRESS not in removed
    assert len(removed) == 4
    assert remove(layout, COMPRESS)[0] == COMPRESS, "no lock is left behind"
