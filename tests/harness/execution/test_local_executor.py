"""Real worker processes: crashes, kills and orphans."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.execution.local import LocalExecutor
from harness.execution.messages import FailedMessage, ProgressMessage
from harness.plan.identity import StageFields, identity_of
from harness.plan.job import StageJob


def make_job(root: Path, name: str, **parameters) -> StageJob:
    fields = StageFields(kind="train", parameters={"task": name, **parameters})
    work = root / "work" / name
    work.mkdir(parents=True)
    return StageJob(fields=fields, identity=identity_of(fields), label=name, inputs={}, work=work, root=root)


def wait_for_end(executor, seconds=60.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for event in executor.wait(0.2):
            if not isinstance(event.message, ProgressMessage):
                return event
    pytest.fail("the worker said nothing")


@pytest.fixture
def executor():
    made = LocalExecutor(workers=1)
    yield made
    made.close()


def test_an_error_in_a_stage_is_published_and_its_worker_is_replaced(tmp_path, executor):
    workers = set()
    for name in ("no_such_task", "another"):
        executor.submit(make_job(tmp_path, name))
        workers.add(executor._workers[0]._process.pid)
        event = wait_for_end(executor)
        assert isinstance(event.message, FailedMessage)
        assert event.message.failure.kind == "config_error"
        assert name in event.message.failure.message
        assert not event.lost
        log = (tmp_path / event.message.failure.log).read_text()
        assert "Traceback" in log
        assert executor.running == 0
        assert executor._workers == []
    assert len(workers) == 2


def test_a_killed_worker_is_a_lost_worker_and_the_next_job_gets_a_new_one(tmp_path, executor):
    executor.submit(make_job(tmp_path, "one"))
    os.kill(executor._workers[0]._process.pid, signal.SIGKILL)
    event = wait_for_end(executor)
    assert event.lost
    assert isinstance(event.message, FailedMessage)
    assert event.message.failure.kind == "worker_lost"
    assert "SIGKILL" in event.message.failure.message
    assert event.transient, "somebody else ended it"
    executor.submit(make_job(tmp_path, "two"))
    assert not wait_for_end(executor).lost


ORPHAN = """
import sys
from harness.execution.local import LocalExecutor
executor = LocalExecutor(1)
worker = executor._start()
print(worker._process.pid, flush=True)
sys.stdin.read()
"""


def test_a_worker_never_outlives_its_scheduler(tmp_path):
    scheduler = subprocess.Popen(
        [sys.executable, "-c", ORPHAN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert scheduler.stdout is not None
    worker = int(scheduler.stdout.readline())
    scheduler.kill()
    scheduler.communicate()
    end = time.monotonic() + 20
    while _alive(worker) and time.monotonic() < end:
        time.sleep(0.05)
    assert not _alive(worker)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_a_worker_that_died_while_idle_is_no_fault_of_the_next_job(tmp_path, executor):
    worker = executor._start()
    worker._process.kill()
    worker._process.wait()
    executor.submit(make_job(tmp_path, "next"))
    event = wait_for_end(executor)
    assert not event.lost
    assert event.message.failure.kind == "config_error"


def test_a_cancelled_job_is_heard_of_no_more(tmp_path, executor):
    job = make_job(tmp_path, "cancelled")
    executor.submit(job)
    pid = executor._workers[0]._process.pid
    executor.cancel(job.identity)
    assert executor.running == 0
    assert not _alive(pid)
    assert executor.wait(0.1) == []


def test_a_worker_that_the_kernel_killed_for_memory_is_out_of_memory(tmp_path, executor, monkeypatch):
    kills = iter([3, 4])
    monkeypatch.setattr("harness.execution.local._memory_kills", lambda: next(kills))
    executor.submit(make_job(tmp_path, "one"))
    os.kill(executor._workers[0]._process.pid, signal.SIGKILL)
    event = wait_for_end(executor)
    assert event.message.failure.kind == "oom"
    assert event.lost
    assert not event.transient, "it would be killed again"


def test_a_worker_that_ends_itself_is_no_cause_from_outside(tmp_path, monkeypatch):
    (tmp_path / "ends_itself.py").write_text("import sys; sys.stdin.readline(); sys.exit(7)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    executor = LocalExecutor(1, "ends_itself")
    executor.submit(make_job(tmp_path, "one"))
    event = wait_for_end(executor)
    executor.close()
    assert event.message.failure.message == "the worker ended with exit code 7"
    assert (event.lost, event.transient) == (True, False)
