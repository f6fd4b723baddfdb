"""What a worker process does around a stage, with stages that compute nothing."""

from pathlib import Path

import pytest
from cells import make_stage

from harness.execution.local import LocalExecutor
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage
from harness.plan.job import StageJob
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import worker_lock
from harness.store.stage import publish_failure, read_failure, read_stage

SUPPORT = Path(__file__).parents[2] / "support"
TRAIN, RECOVER, PREPARE = (make_stage(kind, kind) for kind in ("train", "recover", "prepare"))


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


@pytest.fixture
def executor(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.setenv("BENCH_TEST_LEDGER", str(tmp_path / "ledger"))
    made = LocalExecutor(1, "noop_worker")
    yield made
    made.close()


def submit(executor, layout, stage):
    work = layout.work(stage.kind, stage.identity)
    job = StageJob(
        fields=stage.fields, identity=stage.identity, label=stage.label, subject=stage.subject, inputs={}, work=work,
        root=layout.root, threads=1,
    )  # fmt: skip
    executor.submit(job)


def messages(executor, waits=300):
    """Everything until the stage's end."""
    told = []
    for _ in range(waits):
        for event in executor.wait(0.1):
            told.append(event.message)
            if not isinstance(event.message, ProgressMessage):
                return told
    pytest.fail(f"no end of the stage: {told}")


def test_a_stage_is_published_whole_by_its_worker(layout, executor):
    submit(executor, layout, TRAIN)
    *progress, last = messages(executor)
    assert isinstance(last, DoneMessage)
    assert progress[-1].done == progress[-1].total == 5
    stage = read_stage(layout, TRAIN.kind, TRAIN.identity)
    assert (stage.label, stage.subject) == (TRAIN.label, TRAIN.subject)
    assert stage.fields == TRAIN.fields.model_dump(mode="json")
    assert {name: file.bytes for name, file in stage.files.items()} == {"model/weights.bin": 2048}
    assert stage.environment["python"] == "any"
    assert stage.seconds > 0
    assert stage.peak_memory_bytes is None or stage.peak_memory_bytes > 1 << 20
    assert not layout.work(TRAIN.kind, TRAIN.identity).exists()


@pytest.mark.parametrize(("stage", "kept"), [(TRAIN, True), (RECOVER, True), (PREPARE, False)])
def test_only_trainings_find_what_an_interrupted_try_left(layout, executor, stage, kept):
    left = layout.work(stage.kind, stage.identity) / "checkpoint"
    left.parent.mkdir(parents=True)
    left.write_text("")
    submit(executor, layout, stage)
    assert isinstance(messages(executor)[-1], DoneMessage)
    assert (layout.stage(stage.kind, stage.identity) / "checkpoint").exists() is kept


def test_a_worker_touches_nothing_while_a_dying_one_still_holds_the_stage(layout, executor, tmp_path):
    left = layout.work(PREPARE.kind, PREPARE.identity) / "half done"
    left.parent.mkdir(parents=True)
    left.write_text("")
    with worker_lock(layout, PREPARE.kind, PREPARE.identity):
        submit(executor, layout, PREPARE)
        told = [event.message.text for _ in range(8) for event in executor.wait(0.1)]
        assert told == ["waits for the worker of a killed run to end"]
        assert left.exists()
    assert isinstance(messages(executor)[-1], DoneMessage)
    assert (tmp_path / "ledger").read_text().count("began") == 1


def test_what_a_dying_worker_published_is_not_done_again(layout, executor, tmp_path):
    submit(executor, layout, TRAIN)
    messages(executor)
    submit(executor, layout, TRAIN)
    assert [type(message) for message in messages(executor)] == [DoneMessage]
    assert (tmp_path / "ledger").read_text().count("began") == 1


def test_success_forgets_an_earlier_failure(layout, executor):
    work = layout.work(TRAIN.kind, TRAIN.identity)
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, TRAIN.label, Failure(kind="oom", message="x"))
    submit(executor, layout, TRAIN)
    messages(executor)
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) is None


def test_an_error_is_published_as_a_failure_with_its_log(layout, executor, monkeypatch):
    monkeypatch.setenv("BENCH_TEST_STAGE_SECONDS", "soon")
    submit(executor, layout, TRAIN)
    last = messages(executor)[-1]
    assert isinstance(last, FailedMessage)
    assert last.failure.kind == "plugin_error"
    assert last.failure.message == "ValueError: could not convert string to float: 'soon'"
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) == last.failure
    assert "Traceback" in (layout.root / last.failure.log).read_text()


def test_a_failure_that_cannot_be_stored_is_still_reported(layout, executor, monkeypatch):
    monkeypatch.setenv("BENCH_TEST_STAGE_SECONDS", "soon")
    layout.root.mkdir()
    (layout.root / "failures").write_text("not a folder")
    submit(executor, layout, TRAIN)
    last = messages(executor)[-1]
    assert isinstance(last, FailedMessage)
    assert last.failure.message.startswith("ValueError")
