import pytest

from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.sealed import write_sealed
from harness.store.stage import (
    StageFile,
    failure_stamp,
    find_failure,
    find_stage,
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
        subject="model · data · seed 0",
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
    (work / "model").mkdir()
    (work / "model" / "weights").write_text("w")
    publish_stage(layout, work, stage_file(**result))


def test_a_published_stage_is_complete_and_its_work_is_gone(layout):
    assert find_stage(layout, "train", IDENTITY) == (None, "")
    publish(layout, loss=0.5)
    found = read_stage(layout, "train", IDENTITY)
    assert found is not None
    assert found.result == {"loss": 0.5}
    assert (layout.stage("train", IDENTITY) / "model" / "weights").read_text() == "w"
    assert not layout.work("train", IDENTITY).exists()


def test_a_stage_knows_what_it_made_but_not_its_logs(layout):
    work = open_work(layout, "train", IDENTITY)
    for name in ("model/weights", "model/parts/one", "mmengine/notes.json", "stage.log"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    publish_stage(layout, work, stage_file())
    found = read_stage(layout, "train", IDENTITY)
    assert {name: file.bytes for name, file in found.files.items()} == {"model/parts/one": 15, "model/weights": 13}
    assert found.files["model/weights"].sha256 == "622a41103f171420a1ba60d3fd8484045997c375cec2591fbbece7af5b2cc15a"


def test_a_complete_stage_is_never_replaced(layout):
    publish(layout, number=1)
    with pytest.raises(FileExistsError):
        publish(layout, number=2)
    assert read_stage(layout, "train", IDENTITY).result == {"number": 1}


def test_a_published_successor_ends_the_wait_of_a_forced_stage(layout):
    publish(layout, number=1)
    kept = layout.forced("train", IDENTITY)
    kept.parent.mkdir(parents=True)
    layout.stage("train", IDENTITY).rename(kept)
    publish(layout, number=2)
    assert read_stage(layout, "train", IDENTITY).result == {"number": 2}
    assert not kept.exists()


@pytest.mark.parametrize("keep", [False, True])
def test_work_starts_empty_unless_it_is_continued(layout, keep):
    work = open_work(layout, "train", IDENTITY)
    (work / "left over").write_text("")
    assert open_work(layout, "train", IDENTITY, keep=keep) == work
    assert (work / "left over").exists() is keep


def fail(layout, **keys):
    work = open_work(layout, "train", IDENTITY)
    (work / "stage.log").write_text("what happened")
    failure = Failure(kind="plugin_error", message="broken")
    return publish_failure(layout, work, "train", IDENTITY, "train x", failure, **keys)


def test_failure_keeps_reason_and_log_until_it_is_forgotten(layout):
    assert find_failure(layout, "train", IDENTITY) == (None, "")
    kept = fail(layout)
    assert (layout.root / kept.log).read_text() == "what happened"
    assert read_failure(layout, "train", IDENTITY) == kept
    assert find_failure(layout, "train", IDENTITY).file.transient is False
    assert not layout.work("train", IDENTITY).exists()
    forget_failure(layout, "train", IDENTITY)
    assert read_failure(layout, "train", IDENTITY) is None
    forget_failure(layout, "train", IDENTITY)


def test_a_failure_from_outside_leaves_its_work_to_be_continued(layout):
    fail(layout, transient=True)
    assert find_failure(layout, "train", IDENTITY).file.transient is True
    assert layout.work("train", IDENTITY).exists()


def test_equal_failures_are_told_apart_by_their_stamps(layout):
    assert failure_stamp(layout, "train", IDENTITY) is None
    first, stamp = fail(layout), failure_stamp(layout, "train", IDENTITY)
    path = layout.failure("train", IDENTITY) / "failure.json"
    while path.stat().st_mtime_ns == stamp:
        assert fail(layout) == first
    assert failure_stamp(layout, "train", IDENTITY) > stamp


def test_failure_of_another_stage_is_no_failure(layout):
    content = {
        "schema_version": 2, "kind": "train", "identity": "cd" * 32, "label": "train y",
        "failure": {"kind": "oom", "message": "x"},
    }  # fmt: skip
    path = layout.failure("train", IDENTITY) / "failure.json"
    write_sealed(path, content)
    found = find_failure(layout, "train", IDENTITY)
    assert found == (None, f"{path}: belongs to another stage (train y)")
    write_sealed(path, {**content, "identity": IDENTITY})
    assert read_failure(layout, "train", IDENTITY).kind == "oom"


def test_success_forgets_an_earlier_failure(layout):
    fail(layout)
    publish(layout)
    assert read_failure(layout, "train", IDENTITY) is None
