import json

import pytest

from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import (
    StageFile,
    forget_failure,
    open_work,
    publish_failure,
    publish_stage,
    read_failure,
    read_stage,
)

IDENTITY = "ab" * 32


def stage_file(identity=IDENTITY, **result):
    return StageFile(
        kind="train",
        identity=identity,
        fields={},
        label="train x",
        result=result,
        started="2026-01-01T00:00:00+00:00",
        seconds=1.0,
        cpu_seconds=2.0,
        environment={},
    )


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


def publish(layout, **result):
    work = open_work(layout, "train", IDENTITY)
    (work / "weights").write_text("w")
    publish_stage(layout, work, stage_file(**result))


def test_a_published_stage_is_complete_and_its_work_is_gone(layout):
    assert read_stage(layout, "train", IDENTITY) is None
    publish(layout, loss=0.5)
    found = read_stage(layout, "train", IDENTITY)
    assert found is not None
    assert found.result == {"loss": 0.5}
    assert (layout.stage("train", IDENTITY) / "weights").read_text() == "w"
    assert not layout.work("train", IDENTITY).exists()


def test_existence_proves_nothing(layout):
    folder = layout.stage("train", IDENTITY)
    folder.mkdir(parents=True)
    assert read_stage(layout, "train", IDENTITY) is None
    (folder / "stage.json").write_text('{"kind": "train"')
    assert read_stage(layout, "train", IDENTITY) is None
    (folder / "stage.json").write_text(stage_file("cd" * 32).model_dump_json())
    assert read_stage(layout, "train", IDENTITY) is None


def test_an_invalid_folder_is_set_aside_and_not_deleted(layout):
    folder = layout.stage("train", IDENTITY)
    folder.mkdir(parents=True)
    (folder / "stage.json").write_text("broken")
    publish(layout)
    assert read_stage(layout, "train", IDENTITY) is not None
    (aside,) = folder.parent.glob("*.aside-1")
    assert (aside / "stage.json").read_text() == "broken"


def test_a_stage_that_is_run_again_replaces_the_old_one(layout):
    publish(layout, number=1)
    publish(layout, number=2)
    found = read_stage(layout, "train", IDENTITY)
    assert found is not None
    assert found.result == {"number": 2}
    assert len(list(layout.stage("train", IDENTITY).parent.iterdir())) == 1


def test_work_starts_empty(layout):
    work = open_work(layout, "train", IDENTITY)
    (work / "left over").write_text("")
    assert list(open_work(layout, "train", IDENTITY).iterdir()) == []


def test_failure_keeps_reason_and_log_until_it_is_forgotten(layout):
    work = open_work(layout, "train", IDENTITY)
    (work / "stage.log").write_text("what happened")
    kept = publish_failure(layout, work, "train", IDENTITY, "train x", Failure(kind="oom", message="too big"))
    assert (layout.root / kept.log).read_text() == "what happened"
    assert read_failure(layout, "train", IDENTITY) == kept
    assert not work.exists()
    forget_failure(layout, "train", IDENTITY)
    assert read_failure(layout, "train", IDENTITY) is None


def test_failure_of_another_stage_or_garbage_is_no_failure(layout):
    path = layout.failure("train", IDENTITY) / "failure.json"
    path.parent.mkdir(parents=True)
    path.write_text("[]")
    assert read_failure(layout, "train", IDENTITY) is None
    path.write_text(json.dumps({"identity": "other", "failure": {"kind": "oom", "message": "x"}}))
    assert read_failure(layout, "train", IDENTITY) is None


def test_success_forgets_an_earlier_failure(layout):
    work = open_work(layout, "train", IDENTITY)
    publish_failure(layout, work, "train", IDENTITY, "train x", Failure(kind="oom", message="too big"))
    publish(layout)
    assert read_failure(layout, "train", IDENTITY) is None
