"""What a failed try leaves behind for the next one."""

import pytest

from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import open_work, publish_failure, read_failure

IDENTITY = "5" * 64
KINDS = ("train", "prepare", "compress", "recover", "evaluate", "measure")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def fail(layout, kind, failure, **options):
    """Fails a stage that has got as far as a checkpoint; returns what is left of that."""
    checkpoint = open_work(layout, kind, IDENTITY) / "iter_2.pth"
    checkpoint.write_text("half of it")
    publish_failure(layout, checkpoint.parent, kind, IDENTITY, kind, Failure(kind=failure, message="x"), **options)
    assert read_failure(layout, kind, IDENTITY).kind == failure
    return checkpoint.read_text() if checkpoint.exists() else None


@pytest.mark.parametrize("failure", ["timeout", "oom", "worker_lost"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_training_keeps_its_progress_if_the_failure_says_nothing_against_it(layout, kind, failure):
    left = fail(layout, kind, failure)
    assert left == ("half of it" if kind in ("train", "recover") else None)
    assert layout.work(kind, IDENTITY).exists() is (left is not None)


@pytest.mark.parametrize("failure", ["nan_loss", "plugin_error", "config_error", "disk_full"])
@pytest.mark.parametrize("kind", ["train", "recover", "measure"])
def test_nothing_is_continued_that_failed_by_itself(layout, kind, failure):
    assert fail(layout, kind, failure) is None
    assert not layout.work(kind, IDENTITY).exists()


@pytest.mark.parametrize("kind", KINDS)
def test_a_cause_outside_the_stage_leaves_its_folder_as_it_is(layout, kind):
    assert fail(layout, kind, "worker_lost", transient=True) == "half of it"


def test_the_log_goes_with_the_failure_and_the_progress_stays(layout):
    work = open_work(layout, "train", IDENTITY)
    (work / "stage.log").write_text("iteration 2")
    failure = publish_failure(layout, work, "train", IDENTITY, "train", Failure(kind="timeout", message="x"))
    assert (layout.root / failure.log).read_text() == "iteration 2"
    assert list(work.iterdir()) == []
