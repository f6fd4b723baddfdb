"""A whole run with an executor that only pretends."""

import io
import json
import os
import signal

import pytest
import yaml
from cells import complete, make_plan_of
from rich.console import Console

from harness.errors import UserError
from harness.execution.local import Event
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.run import RunSettings, carry_out
from harness.execution.states import RetryRule
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.record import read_records
from harness.store.stage import publish_failure

PLAN = make_plan_of(["l1@0.2+finetune", "l1@0.5+finetune"])


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


class Pretends:
    """Completes one stage at each wait; `at` maps labels to what happens instead."""

    def __init__(self, layout, at=None):
        self.layout, self.at, self.jobs, self.done = layout, at or {}, [], []

    def __call__(self, workers):
        self.workers = workers
        return self

    @property
    def running(self):
        return len(self.jobs)

    @property
    def free(self):
        return self.workers - len(self.jobs)

    def submit(self, job):
        self.jobs.append(job)

    def wait(self, timeout):
        if not self.jobs:
            return []
        job = self.jobs.pop(0)
        self.done.append(job)
        if job.label in self.at:
            return self.at[job.label](job)
        complete(self.layout, next(stage for stage in PLAN.stages if stage.identity == job.identity))
        return [Event(job.identity, DoneMessage())]

    def cancel(self, identity): ...
    def close(self): ...


def run(layout, executor=None, **settings):
    output = io.StringIO()
    executor = executor or Pretends(layout)
    outcome = carry_out(PLAN, layout, RunSettings(**settings), Console(file=output, width=200), executor)
    return outcome, output.getvalue(), executor


def test_it_leaves_records_and_a_summary(layout):
    outcome, output, _ = run(layout)
    assert [record.status for record in outcome.records] == ["complete", "complete"]
    assert read_records(layout) == outcome.records
    assert (len(outcome.executed), outcome.interrupted, outcome.failed) == (13, False, [])
    assert "[13/13] done" in output
    assert json.loads(layout.summary.read_text())["summary_stats"]["completed"] == 2
    assert list(layout.root.joinpath("work").iterdir()) == []


def test_it_notes_what_was_asked_for_and_how(layout):
    run(layout, device="cpu", disabled=("one", "two"))
    asked = json.loads(layout.run.read_text())
    assert {key: asked[key] for key in ("schema_version", "device", "disabled")} == {
        "schema_version": 1, "device": "cpu", "disabled": ["one", "two"],
    }  # fmt: skip
    assert asked["command"]
    assert yaml.safe_load(layout.benchmark.read_text())["name"] == "noop"


def test_a_second_run_starts_nothing_and_no_process(layout):
    run(layout)

    def refuse(workers):
        pytest.fail("an executor was made for nothing")

    outcome, output, _ = run(layout, refuse)
    assert outcome.executed == []
    assert [record.status for record in outcome.records] == ["complete", "complete"]
    assert output == ""


def test_jobs_know_whatever_they_need(layout):
    _, _, executor = run(layout, workers=3, device="cpu", disabled=("one",))
    by_label = {job.label: job for job in executor.done}
    compress = by_label["compress l1@0.2"]
    assert set(compress.inputs) == {"model", "state"}
    train = next(stage for stage in PLAN.stages if stage.kind == "train")
    assert compress.inputs["model"] == layout.stage("train", train.identity)
    assert (compress.device, compress.disabled, compress.subject) == ("cpu", ("one",), "model · data · seed 0")
    assert compress.threads == 1, "the benchmark is deterministic"
    assert executor.done[-1].fields.kind == executor.done[-2].fields.kind == "measure", "last, with several workers"


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_and_goes_on_later(layout, stop):
    def stopped(job):
        os.kill(os.getpid(), stop)
        pytest.fail("it goes on")

    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        outcome, _, _ = run(layout, Pretends(layout, {"recover finetune after l1@0.2": stopped}))
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN, "as it was before the run"
    finally:
        signal.signal(signal.SIGTERM, before)
    assert outcome.interrupted
    assert [record.status for record in outcome.records] == ["interrupted", "never_run"]
    assert read_records(layout) == outcome.records
    later, _, executor = run(layout)
    assert len(executor.done) == 13 - len(outcome.executed)
    assert [record.status for record in later.records] == ["complete", "complete"]


def test_a_failure_is_told_and_kept_until_it_is_retried(layout):
    failure = Failure(kind="oom", message="too big")

    def fails(job):
        publish_failure(layout, job.work, job.fields.kind, job.identity, job.label, failure)
        return [Event(job.identity, FailedMessage(failure=failure))]

    outcome, output, _ = run(layout, Pretends(layout, {"compress l1@0.2": fails}))
    assert [record.status for record in outcome.failed] == ["failed"]
    assert "FAILED compress l1@0.2" in output
    assert run(layout)[0].executed == []
    again, _, _ = run(layout, retry=RetryRule(lambda failure: failure.kind == "oom"))
    assert again.failed == []
    assert len(again.executed) == 5


def test_forced_stages_run_again(layout):
    run(layout)
    outcome, _, _ = run(layout, force=lambda stage: stage.kind == "measure")
    assert [stage.kind for stage in outcome.executed] == ["measure", "measure"]


def test_what_was_found_damaged_is_told(layout):
    run(layout)
    measured = PLAN.cells[0].measured
    path = layout.stage(measured.kind, measured.identity) / "stage.json"
    path.write_text("")
    outcome, output, _ = run(layout)
    assert outcome.executed == [measured]
    assert f"set aside: {path}: is empty" in output


@pytest.mark.parametrize("name", ["results", "results/benchmark.yaml"])
def test_a_folder_that_cannot_be_written_is_refused_at_once(layout, name):
    place = layout.root.parent / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("") if name == "results" else place.mkdir()
    with pytest.raises(UserError, match=rf"--out {layout.root}: cannot be written") as raised:
        run(layout)
    assert "another folder" in raised.value.hint


def test_a_folder_that_cannot_be_written_any_more_ends_the_run_with_a_reason(layout):
    def full(job):
        raise OSError(28, "No space left on device")

    with pytest.raises(UserError, match="cannot be written any more.*No space left on device") as raised:
        run(layout, Pretends(layout, {"prepare l1": full}))
    assert "what is complete is kept" in raised.value.hint
    assert len(run(layout)[2].done) < 13
