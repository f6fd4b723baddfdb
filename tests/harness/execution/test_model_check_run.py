"""What becomes of a model whose worker answers, hangs or dies."""

import json
from pathlib import Path

import pytest

from harness.errors import CheckFailedError, UnsupportedOperationError
from harness.execution.local import LocalExecutor
from harness.execution.model_check import check_failure, check_models
from harness.plan.model_check import ModelCheckJob

WORKER = """
import json, os, sys, time
channel = os.fdopen(int(sys.argv[1]), "w", buffering=1)
for line in sys.stdin:
    job = json.loads(line)
    channel.write(json.dumps({"event": "progress", "done": 1, "total": 4, "text": "tracing"}) + "\\n")
    if job["model"] == "hangs":
        time.sleep(100)
    if job["model"] == "crashes":
        open(job["work"] + "/check.log", "w").write("what it said last")
        os._exit(7)
    answer = {"model": job["model"], "task": "t", "dataset": "d", "status": "works", "verdict": "works", "built": True}
    open(job["work"] + "/check.json", "w").write(json.dumps(answer))
    channel.write(json.dumps({"event": "done"}) + "\\n")
"""


@pytest.fixture
def check(tmp_path, monkeypatch):
    (tmp_path / "answering_worker.py").write_text(WORKER)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(*models, timeout=30.0):
        jobs = [
            ModelCheckJob(model=model, task="t", dataset="d", trials=(), work=tmp_path / "work" / model)
            for model in models
        ]
        told = []
        found = check_models(
            jobs, timeout, lambda job, message: told.append(job.model), lambda: LocalExecutor(1, "answering_worker")
        )
        return list(found), told

    return run


def test_the_answer_is_read_and_the_folder_gone(check, tmp_path):
    (found,), told = check("fine")
    assert (found.model, found.verdict, told) == ("fine", "works", ["fine"])
    assert found.seconds > 0
    assert list((tmp_path / "work").iterdir()) == []


def test_a_crash_is_the_answer_for_one_model(check):
    (crashed, fine), _ = check("crashes", "fine")
    assert crashed.verdict == "fails: worker_lost: the worker ended with exit code 7"
    assert "report it" in crashed.failure.hint
    assert crashed.failure.traceback == "what it said last"
    assert fine.status == "works"


def test_a_model_that_hangs_is_ended(check):
    (hung, fine), _ = check("hangs", "fine", timeout=2.0)
    assert hung.verdict == "fails: timeout: the check had not ended after 2 s"
    assert hung.failure.hint == "Raise --timeout."
    assert fine.status == "works"


def test_hints_fit_a_check_and_not_a_run():
    assert check_failure(UnsupportedOperationError("m", "its own hint")).hint == "its own hint"
    assert "stage.log" not in check_failure(CheckFailedError("m", "`stage.log` has the details.")).hint
    for error in (MemoryError(), ZeroDivisionError(), CheckFailedError("m")):
        assert "--retry" not in check_failure(error).hint
        assert check_failure(error).hint


def test_jobs_travel_as_one_line():
    job = ModelCheckJob(model="a\nb", task="t", dataset="d", trials=(), work=Path("w"))
    assert "\n" not in job.model_dump_json()
    assert json.loads(job.model_dump_json())["model"] == "a\nb"
