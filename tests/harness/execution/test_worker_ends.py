"""However a worker comes to its end, nothing of it stays behind, and nothing is published that is another's."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from cells import make_stage
from noop_worker import is_alive

from harness.execution.local import LocalExecutor
from harness.execution.messages import DoneMessage, ProgressMessage
from harness.plan.job import StageJob
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import publish_failure, read_failure, read_stage

SUPPORT = Path(__file__).parents[2] / "support"
TRAIN = make_stage("train", "train")
DEADLINE = 10.0
AT_ONCE = 2.0

ENGINE = """
import os, re, subprocess, sys, time
from pathlib import Path
from harness.execution.worker import main


def note(name, process):
    path = Path(os.environ["MARKS"]) / f"{{name}}.tmp"
    path.write_text(str(process))
    path.rename(path.with_suffix(""))


class Engine:
    def use_threads(self, count):
        pass

    def run(self, job, progress):
{body}

    def environment(self):
        return {{}}


if __name__ == "__main__":
    main(Engine())
"""

HOLDS_THE_INTERPRETER = """
        program = subprocess.Popen(["sleep", "60"])
        note("program", program.pid)
        child = os.fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        note("child", child)
        note("worker", os.getpid())
        re.match(r"(a+)+$", "a" * 40 + "b")
"""

LEAVES_ITS_CHANNEL_OPEN = """
        child = subprocess.Popen(["sleep", "60"], pass_fds=[int(sys.argv[1])])
        note("worker", os.getpid())
        note("child", child.pid)
        os._exit(7)
"""

SCHEDULER = """
import sys
from harness.execution.local import LocalExecutor
from harness.plan.job import StageJob

executor = LocalExecutor(1, "engine_of_a_test")
executor.submit(StageJob.model_validate_json(sys.stdin.readline()))
while True:
    executor.wait(0.2)
"""


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


@pytest.fixture
def marks(tmp_path):
    """A folder in which stages of a test note their processes; none of them outlives it."""
    folder = tmp_path / "marks"
    folder.mkdir()
    yield folder
    for mark in folder.iterdir():
        with suppress(ProcessLookupError):
            os.kill(int(mark.read_text()), signal.SIGKILL)


@pytest.fixture
def engine(tmp_path, monkeypatch, marks):
    """Returns what makes a worker module whose stages do what the text says."""

    def write(body):
        (tmp_path / "engine_of_a_test.py").write_text(ENGINE.format(body=body))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(SUPPORT)]))
        monkeypatch.setenv("MARKS", str(marks))
        return "engine_of_a_test"

    return write


def make_job(layout, owner=""):
    work = layout.work(TRAIN.kind, TRAIN.identity)
    return StageJob(
        fields=TRAIN.fields, identity=TRAIN.identity, label=TRAIN.label, subject=TRAIN.subject, inputs={}, work=work,
        root=layout.root, threads=1, owner=owner,
    )  # fmt: skip


def wait_until(condition, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def noted(marks, name):
    assert wait_until((marks / name).exists), "the stage does not begin"
    return int((marks / name).read_text())


def end_of(executor):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        for event in executor.wait(0.05):
            if not isinstance(event.message, ProgressMessage):
                return event
    pytest.fail("nothing was heard of the end")


@pytest.fixture
def orphaned(layout, engine, marks):
    """Returns the processes of a stage that lets no other thread of Python's run, behind the kill of its scheduler."""
    engine(HOLDS_THE_INTERPRETER)
    scheduler = subprocess.Popen([sys.executable, "-c", SCHEDULER], stdin=subprocess.PIPE, text=True)
    try:
        scheduler.stdin.write(make_job(layout).model_dump_json() + "\n")
        scheduler.stdin.flush()
        noted(marks, "worker")  # the last of them
        processes = {mark.name: int(mark.read_text()) for mark in marks.iterdir()}
        assert sorted(processes) == ["child", "program", "worker"]
        assert all(map(is_alive, processes.values()))
    finally:
        scheduler.kill()
        scheduler.communicate()
    return processes


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends a worker with its scheduler on Linux only")
@pytest.mark.parametrize("name", ["worker", "child", "program"])
def test_a_stage_that_holds_the_interpreter_ends_with_its_scheduler(orphaned, name):
    """And so do loader processes, forked or started as programs."""
    assert wait_until(lambda: not is_alive(orphaned[name]), AT_ONCE)


def test_a_worker_that_is_gone_is_noticed_although_its_channel_is_open(layout, engine, marks):
    executor = LocalExecutor(1, engine(LEAVES_ITS_CHANNEL_OPEN))
    try:
        executor.submit(make_job(layout))
        child = noted(marks, "child")
        assert is_alive(child)
        began = time.monotonic()
        event = end_of(executor)
        assert time.monotonic() - began < AT_ONCE
        assert (event.lost, event.transient) == (True, False)
        assert event.message.failure.kind == "worker_lost"
        assert event.message.failure.message == "the worker ended with exit code 7"
        assert (executor.running, executor.free) == (0, 1)
        assert wait_until(lambda: not is_alive(child), AT_ONCE), "it goes with the worker's group"
    finally:
        executor.close()


def test_the_next_job_gets_a_worker_of_its_own_behind_that(layout, engine):
    executor = LocalExecutor(1, engine(LEAVES_ITS_CHANNEL_OPEN))
    try:
        for _ in range(2):
            executor.submit(make_job(layout))
            assert end_of(executor).lost
    finally:
        executor.close()


@pytest.fixture
def executor(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    monkeypatch.setenv("BENCH_TEST_LEDGER", str(tmp_path / "ledger"))
    made = LocalExecutor(1, "noop_worker")
    yield made
    made.close()


@pytest.fixture
def lock(layout):
    lock = StageLock(layout, TRAIN.kind, TRAIN.identity)
    assert lock.acquire()
    yield lock
    lock.release()


def test_the_owner_of_the_lease_publishes_its_result(layout, executor, lock):
    executor.submit(make_job(layout, owner=lock.token))
    assert isinstance(end_of(executor).message, DoneMessage)
    assert read_stage(layout, TRAIN.kind, TRAIN.identity) is not None


def test_a_result_is_not_published_under_anothers_lease(layout, executor, lock):
    executor.submit(make_job(layout, owner="token of an earlier owner"))
    event = end_of(executor)
    assert event.message.failure.kind == "worker_lost"
    assert "has taken the stage over" in event.message.failure.message
    assert not event.lost
    assert read_stage(layout, TRAIN.kind, TRAIN.identity) is None
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) is None


def test_nor_where_there_is_no_lease_any_more(layout, executor, lock):
    token = lock.token
    lock.release()
    executor.submit(make_job(layout, owner=token))
    assert end_of(executor).message.failure.kind == "worker_lost"
    assert read_stage(layout, TRAIN.kind, TRAIN.identity) is None
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) is None


@pytest.mark.parametrize("ours", [True, False])
def test_a_failure_is_published_by_the_owner_only(layout, executor, lock, monkeypatch, ours):
    """What another owner has stored stays."""
    monkeypatch.setenv("BENCH_TEST_STAGE_SECONDS", "soon")
    theirs = Failure(kind="oom", message="of the other owner")
    work = layout.work(TRAIN.kind, TRAIN.identity)
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, TRAIN.label, theirs)
    executor.submit(make_job(layout, owner=lock.token if ours else "token of an earlier owner"))
    failure = end_of(executor).message.failure
    assert failure.message.startswith("ValueError")
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) == (failure if ours else theirs)
