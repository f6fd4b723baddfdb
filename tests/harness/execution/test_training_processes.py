"""Several processes do one training: what the stage's worker hears of them, and that none stays behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cells import make_stage
from noop_worker import is_alive

from harness.errors import BenchError
from harness.execution.classification import failure_of
from harness.execution.training_processes import train_in_processes
from harness.plan.job import StageJob

TRAIN = make_stage("train", "train")

MEMBERS = """
import os, signal, sys, time
from harness.errors import NonFiniteLossError
from harness.execution.classification import failure_of
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.process import serve
from harness.plan.member import MemberJob


def answer(line, report):
    member = MemberJob.model_validate_json(line)
    note = member.trained.with_name(f"process-{{member.rank}}")
    note.with_suffix(".tmp").write_text(str(os.getpid()))
    note.with_suffix(".tmp").rename(note)
    rank = member.rank
    try:
{body}
    except Exception as error:
        return FailedMessage(failure=failure_of(error))
    return DoneMessage(peak_memory_bytes=100 + rank)


if __name__ == "__main__":
    serve(answer)
"""


@pytest.fixture
def members(tmp_path, monkeypatch):
    """Returns what makes a module whose processes do what the text says."""

    def write(body):
        indented = "\n".join("        " + line for line in body.strip().splitlines())
        (tmp_path / "members_of_a_test.py").write_text(MEMBERS.format(body=indented))
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "members_of_a_test"

    return write


def stage_job(folder, threads=1):
    return StageJob(
        fields=TRAIN.fields, identity=TRAIN.identity, label="train", inputs={}, work=folder, root=folder,
        threads=threads,
    )  # fmt: skip


def all_ended(folder):
    processes = [int(note.read_text()) for note in folder.glob("process-?")]
    end = time.monotonic() + 10
    while any(is_alive(process) for process in processes):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return len(processes) > 0


def test_each_process_is_told_its_part_and_the_first_one_reports(tmp_path, members):
    module = members("""
stage = member.stage
member.trained.with_name(f"told-{rank}").write_text(f"{stage.device} {stage.threads} {member.processes}")
report(1 + rank, 2 + rank, f"process {rank}")
""")
    told = []
    job = stage_job(tmp_path, threads=6)
    peak = train_in_processes(job, ["cuda:1", "cuda:2"], tmp_path / "x.pth", lambda *a: told.append(a), module)
    assert [(tmp_path / f"told-{rank}").read_text() for rank in (0, 1)] == ["cuda:1 3 2", "cuda:2 3 2"]
    assert told == [(1, 2, "process 0")]
    assert peak == 101
    assert all_ended(tmp_path)


def failure_with(folder, module):
    with pytest.raises(BenchError) as raised:
        train_in_processes(stage_job(folder), ["cpu", "cpu"], folder / "x.pth", lambda *told: None, module)
    assert all_ended(folder)
    return raised.value


def test_an_error_in_one_process_is_the_error_of_the_stage(tmp_path, members):
    module = members("""
if rank == 1:
    raise NonFiniteLossError("the loss is nan")
time.sleep(60)
""")
    failure = failure_of(failure_with(tmp_path, module))
    assert (failure.kind, failure.message) == ("nan_loss", "process 1 of the training: the loss is nan")
    assert "Lower the learning rate" in failure.hint
    assert "in process 1:" in failure.traceback
    assert 'raise NonFiniteLossError("the loss is nan")' in failure.traceback


def test_a_process_that_is_killed_is_named_though_another_one_notices_first(tmp_path, members):
    module = members("""
if rank == 1:
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
raise RuntimeError("Connection closed by peer")
""")
    error = failure_with(tmp_path, module)
    assert (error.kind, error.message) == (
        "worker_lost",
        "process 1 of the training: the worker was ended from outside by SIGKILL",
    )


STARTER = """
import sys
from pathlib import Path
from harness.execution.training_processes import train_in_processes
from harness.plan.job import StageJob

folder = Path(sys.argv[1])
job = StageJob.model_validate_json((folder / "job.json").read_text())
train_in_processes(job, ["cpu", "cpu"], folder / "x.pth", lambda *told: None, "members_of_a_test")
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_who_started_it(tmp_path, members, sent):
    members("time.sleep(60)")
    (tmp_path / "job.json").write_text(stage_job(tmp_path).model_dump_json())
    starter = subprocess.Popen([sys.executable, "-c", STARTER, str(tmp_path)], stderr=subprocess.DEVNULL)
    notes = [tmp_path / f"process-{rank}" for rank in (0, 1)]
    end = time.monotonic() + 10
    while not all(note.exists() for note in notes):
        assert time.monotonic() < end, "the processes do not begin"
        time.sleep(0.02)
    os.kill(starter.pid, sent)
    starter.wait(10)
    assert all_ended(tmp_path)


def test_the_meeting_place_is_new_each_time_and_removed(tmp_path, members):
    module = members("""
member.trained.with_name(f"place-{rank}").write_text(str(member.meeting))
assert not member.meeting.exists()
""")
    places = []
    for _ in range(2):
        train_in_processes(stage_job(tmp_path), ["cpu", "cpu"], tmp_path / "x.pth", lambda *told: None, module)
        places.append({(tmp_path / f"place-{rank}").read_text() for rank in (0, 1)})
    assert len(places[0]) == len(places[1]) == 1
    assert places[0] != places[1]
    assert not any(Path(place).parent.exists() for place in places[0] | places[1])
