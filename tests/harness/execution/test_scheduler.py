"""The scheduler against an executor that only pretends: order, exclusiveness, failures, sharing."""

import shutil
import time
from functools import partial

import pytest

from harness.execution.forcing import remove_forced
from harness.execution.local import Event
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.scheduler import JobSettings, Scheduler
from harness.execution.states import RetryRule, read_states
from harness.plan.identity import StageFields
from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import (
    StageFile,
    damaged_files,
    find_failure,
    find_stage,
    publish_failure,
    publish_stage,
    read_failure,
)


def stage(name, kind="train", **inputs):
    fields = StageFields(kind=kind, parameters={"name": name}, inputs={k: v.identity for k, v in inputs.items()})
    return Stage(fields=fields, label=name, subject="", inputs=tuple(inputs.items()))


TRAIN = stage("train")
PREPARE = stage("prepare", "prepare", model=TRAIN)
LOW = stage("low", "compress", model=TRAIN, state=PREPARE)
HIGH = stage("high", "compress", model=TRAIN, state=PREPARE)
MEASURE = stage("measure", "measure", candidate=LOW, baseline=TRAIN)
STAGES = [TRAIN, PREPARE, LOW, MEASURE, HIGH]
KILLED = FailedMessage(failure=Failure(kind="worker_lost", message="the worker was ended from outside by SIGKILL"))


class Told:
    """A display that notes what it is told."""

    def __init__(self):
        self.withdrawals, self.notices = [], []

    def started(self, stage): ...
    def progressed(self, stage, message): ...
    def finished(self, stage, states): ...

    def withdrawn(self, stage, reason):
        self.withdrawals.append((stage.label, reason))

    def noticed(self, text):
        self.notices.append(text)


class PretendExecutor:
    """Finishes one job at each wait.

    `fail` and `lose` name the stages that go wrong, `kill` how often the worker of a stage is ended from outside.
    """

    def __init__(self, layout, workers=1, fail=(), lose=(), kill=None, interrupt_at=None):
        self.layout, self.workers, self.fail, self.lose = layout, workers, set(fail), set(lose)
        self.kill, self.interrupt_at = dict(kill or {}), interrupt_at
        self.jobs, self.ran, self.together, self.closed = [], [], [], False

    @property
    def running(self):
        return len(self.jobs)

    @property
    def free(self):
        return self.workers - len(self.jobs)

    def submit(self, job):
        self.jobs.append(job)
        self.ran.append(job.label)
        self.together.append({other.label for other in self.jobs})

    def wait(self, timeout):
        if not self.jobs:
            return []
        if self.interrupt_at == self.jobs[0].label:
            raise KeyboardInterrupt
        job = self.jobs.pop(0)
        failure = FailedMessage(failure=Failure(kind="oom", message="x"))
        if job.label in self.lose:
            return [Event(job.identity, failure, lost=True)]
        if self.kill.get(job.label):
            self.kill[job.label] -= 1
            return [Event(job.identity, KILLED, lost=True, transient=True)]
        if job.label in self.fail:
            publish_failure(self.layout, job.work, job.fields.kind, job.identity, job.label, failure.failure)
            return [Event(job.identity, failure)]
        publish(self.layout, job.fields, job.identity)
        return [Event(job.identity, DoneMessage())]

    def cancel(self, identity):
        self.jobs = [job for job in self.jobs if job.identity != identity]

    def close(self):
        self.closed = True


def publish(layout, fields, identity):
    work = layout.work(fields.kind, identity)
    (work / "model").mkdir(parents=True, exist_ok=True)
    (work / "model" / "weights.bin").write_text(identity)
    file = StageFile(
        kind=fields.kind, identity=identity, fields=fields.model_dump(), label="", result={},
        started="", seconds=0, cpu_seconds=0, environment={},
    )  # fmt: skip
    publish_stage(layout, work, file)


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def schedule(layout, executor, states, settled=lambda stage: None, *, measure_last=False, **settings):
    display = Told()
    Scheduler(
        states, layout, executor, display, JobSettings("cpu", 1, (), **settings), settled, measure_last=measure_last
    ).run()
    return display


def run(layout, executor, *, measure_last=False, **reading):
    states = read_states(STAGES, layout, **{"retry": RetryRule(), **reading})
    settled = []
    schedule(layout, executor, states, settled.append, measure_last=measure_last)
    return states, settled


def test_everything_runs_once_and_behind_its_inputs(layout):
    executor = PretendExecutor(layout)
    states, settled = run(layout, executor)
    assert executor.ran == ["train", "prepare", "low", "measure", "high"]
    assert states.count("complete") == 5
    assert [stage.label for stage in settled] == executor.ran
    assert executor.closed


def test_a_second_run_does_nothing(layout):
    run(layout, PretendExecutor(layout))
    again = PretendExecutor(layout)
    run(layout, again)
    assert again.ran == []


def test_measure_shares_its_host_with_nothing(layout):
    executor = PretendExecutor(layout, workers=3)
    run(layout, executor, measure_last=True)
    assert executor.ran[-1] == "measure"
    assert {"low", "high"} in executor.together
    assert all(labels == {"measure"} for labels in executor.together if "measure" in labels)


def test_a_failure_blocks_what_depends_on_it_and_nothing_else(layout):
    executor = PretendExecutor(layout, fail=["low"])
    states, _ = run(layout, executor)
    assert [states[stage] for stage in STAGES] == ["complete", "complete", "failed", "blocked", "complete"]
    assert states.blocker(MEASURE) == LOW


def test_a_lost_worker_leaves_a_typed_failure(layout):
    run(layout, PretendExecutor(layout, lose=["high"]))
    failure = read_failure(layout, HIGH.kind, HIGH.identity)
    assert failure is not None
    assert failure.kind == "oom"


def test_failed_stays_failed_until_it_is_retried(layout):
    run(layout, PretendExecutor(layout, fail=["low"]))
    again = PretendExecutor(layout)
    states, _ = run(layout, again)
    assert again.ran == []
    assert states[LOW] == "failed"
    assert states[MEASURE] == "blocked"
    retried = PretendExecutor(layout)
    states, _ = run(layout, retried, retry=RetryRule(lambda failure: failure.kind == "oom"))
    assert retried.ran == ["low", "measure"]
    assert states.count("complete") == 5


def test_a_mistake_of_the_user_is_tried_again_unasked(layout):
    work = layout.work(TRAIN.kind, TRAIN.identity)
    work.mkdir(parents=True)
    mistake = Failure(kind="config_error", message="no such device")
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, "train", mistake)
    executor = PretendExecutor(layout)
    states, _ = run(layout, executor)
    assert states.count("complete") == 5
    assert read_failure(layout, TRAIN.kind, TRAIN.identity) is None


def test_a_stage_published_before_its_worker_died_is_complete(layout):
    class DiesLate(PretendExecutor):
        def submit(self, job):
            super().submit(job)
            if job.label == "low":
                publish(self.layout, job.fields, job.identity)

    states, _ = run(layout, DiesLate(layout, lose=["low"]))
    assert states.count("complete") == 5
    assert read_failure(layout, LOW.kind, LOW.identity) is None


@pytest.mark.parametrize("wanted", [LOW, PREPARE, TRAIN])
def test_forced_stages_run_again_with_all_that_starts_from_them(layout, wanted):
    run(layout, PretendExecutor(layout))
    behind = remove_forced(STAGES, layout, lambda stage: stage == wanted)
    again = PretendExecutor(layout)
    states, _ = run(layout, again)
    assert again.ran == [stage.label for stage in behind]
    assert again.ran[0] == wanted.label
    assert again.ran[-1] == ("measure" if wanted == LOW else "high")
    assert states.count("complete") == 5
    assert list(layout.aside.iterdir()) == [], "the old ones go when their successors are there"


def test_a_lost_worker_is_no_success_because_an_earlier_run_was_one(layout):
    run(layout, PretendExecutor(layout))
    remove_forced(STAGES, layout, lambda stage: stage == LOW)
    states, _ = run(layout, PretendExecutor(layout, lose=["low"]))
    assert states[LOW] == "failed"
    assert (layout.forced(LOW.kind, LOW.identity) / "stage.json").exists(), "no successor, so the old one is kept"


def test_a_retry_that_failed_in_another_process_is_not_repeated(layout):
    run(layout, PretendExecutor(layout, fail=["train"]))
    states = read_states(STAGES, layout, retry=RetryRule(lambda failure: True))
    work = layout.work(TRAIN.kind, TRAIN.identity)
    work.mkdir(parents=True)
    time.sleep(0.01)
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, "train", Failure(kind="oom", message="x"))
    executor = PretendExecutor(layout)
    schedule(layout, executor, states)
    assert executor.ran == []
    assert states[TRAIN] == "failed"


def test_a_failure_in_another_process_is_not_run_again_here(layout):
    states = read_states(STAGES, layout)
    work = layout.work(TRAIN.kind, TRAIN.identity)
    work.mkdir(parents=True)
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, "train", Failure(kind="oom", message="elsewhere"))
    executor = PretendExecutor(layout)
    schedule(layout, executor, states)
    assert executor.ran == []
    assert states[TRAIN] == "failed"
    assert states.count("blocked") == 4


def test_a_retry_that_is_interrupted_first_forgets_nothing(layout):
    run(layout, PretendExecutor(layout, fail=["low"]))
    states = read_states(STAGES, layout, retry=RetryRule(lambda failure: True))
    assert states[LOW] == "waiting"
    assert read_failure(layout, LOW.kind, LOW.identity) is not None


def test_fail_fast_starts_nothing_more(layout):
    executor = PretendExecutor(layout, fail=["low"])
    states = read_states(STAGES, layout)
    schedule(layout, executor, states, fail_fast=True)
    assert executor.ran == ["train", "prepare", "low"]
    assert [states[stage] for stage in (LOW, MEASURE, HIGH)] == ["failed", "blocked", "waiting"]


def test_a_stage_that_takes_too_long_is_ended_and_the_others_go_on(layout):
    class Hangs(PretendExecutor):
        def wait(self, timeout):
            if self.jobs and self.jobs[0].label == "low":
                time.sleep(0.02)
                return []
            return super().wait(timeout)

    executor = Hangs(layout)
    states = read_states(STAGES, layout)
    schedule(layout, executor, states, timeout=0.1)
    assert [states[stage] for stage in (LOW, MEASURE, HIGH)] == ["failed", "blocked", "complete"]
    failure = read_failure(layout, LOW.kind, LOW.identity)
    assert failure.kind == "timeout"
    assert "--timeout" in failure.hint


def test_interruption_closes_the_executor_and_frees_the_lock(layout):
    executor = PretendExecutor(layout, interrupt_at="prepare")
    states = read_states(STAGES, layout)
    with pytest.raises(KeyboardInterrupt):
        schedule(layout, executor, states)
    assert executor.closed
    assert states[PREPARE] == "interrupted"
    lock = StageLock(layout, PREPARE.kind, PREPARE.identity)
    assert lock.acquire()
    lock.release()
    run(layout, PretendExecutor(layout))


def test_a_stage_that_another_process_runs_is_waited_for_and_not_run(layout):
    lock = StageLock(layout, TRAIN.kind, TRAIN.identity)
    assert lock.acquire()

    class Elsewhere(PretendExecutor):
        waits = 0

        def wait(self, timeout):
            self.waits += 1
            if self.waits == 3:
                publish(layout, TRAIN.fields, TRAIN.identity)
                lock.release()
            return super().wait(timeout)

    executor = Elsewhere(layout)
    states, _ = run(layout, executor)
    assert executor.ran == ["prepare", "low", "measure", "high"]
    assert states.count("complete") == 5


@pytest.mark.parametrize(("kills", "tries"), [(1, 2), (2, 3)])
def test_a_stage_whose_worker_is_ended_from_outside_is_tried_again(layout, kills, tries):
    executor = PretendExecutor(layout, kill={"low": kills})
    states = read_states(STAGES, layout)
    told = schedule(layout, executor, states)
    assert executor.ran.count("low") == tries
    assert told.withdrawals == [("low", KILLED.failure.message)] * kills
    assert states.count("complete") == 5
    assert read_failure(layout, LOW.kind, LOW.identity) is None


def test_it_is_given_up_after_three_tries_until_the_next_run(layout):
    executor = PretendExecutor(layout, kill={"low": 9})
    states = read_states(STAGES, layout)
    schedule(layout, executor, states)
    assert executor.ran == ["train", "prepare", "low", "low", "low", "high"]
    assert [states[stage] for stage in (LOW, MEASURE, HIGH)] == ["failed", "blocked", "complete"]
    stored = find_failure(layout, LOW.kind, LOW.identity).file
    assert (stored.failure.kind, stored.transient) == ("worker_lost", True)
    nothing, next_run = PretendExecutor(layout), PretendExecutor(layout)
    run(layout, nothing, retry=RetryRule(interrupted=False))
    assert nothing.ran == []
    states, _ = run(layout, next_run)
    assert next_run.ran == ["low", "measure"]
    assert states.count("complete") == 5


def test_a_retried_stage_whose_worker_is_killed_is_not_taken_for_its_old_failure(layout):
    run(layout, PretendExecutor(layout, fail=["low"]))
    executor = PretendExecutor(layout, kill={"low": 1})
    states, _ = run(layout, executor, retry=RetryRule(lambda failure: True))
    assert executor.ran == ["low", "low", "measure"]
    assert states.count("complete") == 5


def test_tries_are_counted_stage_by_stage(layout):
    executor = PretendExecutor(layout, kill={"train": 2, "low": 2, "high": 2})
    states, _ = run(layout, executor)
    assert states.count("complete") == 5
    assert len(executor.ran) == 5 + 6


def test_a_worker_that_dies_by_its_own_fault_is_not_tried_again(layout):
    executor = PretendExecutor(layout, lose=["low"])
    run(layout, executor)
    assert executor.ran.count("low") == 1
    assert find_failure(layout, LOW.kind, LOW.identity).file.transient is False


def forget(layout, *stages):
    for stage_ in stages:
        shutil.rmtree(layout.stage(stage_.kind, stage_.identity))


def weights_of(layout, stage_):
    return layout.stage(stage_.kind, stage_.identity) / "model" / "weights.bin"


def test_damage_in_an_input_is_set_aside_and_only_its_stage_runs_again(layout):
    run(layout, PretendExecutor(layout))
    forget(layout, LOW, MEASURE)
    weights = weights_of(layout, TRAIN)
    weights.write_text(weights.read_text().upper())
    executor = PretendExecutor(layout)
    states = read_states(STAGES, layout)
    assert states[TRAIN] == "complete", "at first by lengths alone"
    told = schedule(layout, executor, states)
    assert executor.ran == ["train", "low", "measure"], "what was made from it while it was whole stays"
    assert states.count("complete") == 5
    (notice,) = told.notices
    assert notice.startswith(f"set aside: {layout.stage(TRAIN.kind, TRAIN.identity)}: model/weights.bin was changed")
    (kept,) = layout.aside.glob("stages-train-*-1")
    assert (kept / "model" / "weights.bin").read_text() == TRAIN.identity.upper()
    file, _ = find_stage(layout, TRAIN.kind, TRAIN.identity)
    assert damaged_files(layout, file) == ""


def test_an_input_that_vanished_meanwhile_runs_again(layout):
    run(layout, PretendExecutor(layout))
    forget(layout, HIGH)
    states = read_states(STAGES, layout)
    forget(layout, PREPARE)
    executor = PretendExecutor(layout)
    told = schedule(layout, executor, states)
    assert executor.ran == ["prepare", "high"]
    assert states.count("complete") == 5
    assert told.notices == []


def test_inputs_of_earlier_runs_are_read_once_and_those_of_this_run_not_at_all(layout, monkeypatch):
    read = []

    def reading(layout, file):
        read.append(file.identity)
        return damaged_files(layout, file)

    monkeypatch.setattr("harness.execution.scheduler.damaged_files", reading)
    run(layout, PretendExecutor(layout))
    assert read == []
    forget(layout, LOW, HIGH, MEASURE)
    run(layout, PretendExecutor(layout))
    assert sorted(read) == sorted([TRAIN.identity, PREPARE.identity])


@pytest.mark.parametrize("name", ["stage.json", "failure.json"])
def test_a_damaged_document_in_a_stages_place_is_set_aside_when_it_runs(layout, name):
    run(layout, PretendExecutor(layout, fail=["low"] if name == "failure.json" else []))
    place = {"stage.json": layout.stage, "failure.json": layout.failure}[name](LOW.kind, LOW.identity)
    (place / name).write_text("{")
    executor = PretendExecutor(layout)
    states = read_states(STAGES, layout)
    told = schedule(layout, executor, states)
    assert executor.ran[0] == "low"
    assert states.count("complete") == 5
    (notice,) = told.notices
    assert notice.startswith(f"set aside: {place / name}: is not JSON")
    (kept,) = layout.aside.glob("*-1")
    assert (kept / name).read_text() == "{"


def test_a_stage_that_another_machine_took_over_is_left_to_it(layout, monkeypatch):
    """Our heartbeat did not reach the folder for too long: the job ends here, its outcome comes from there."""
    monkeypatch.setattr("harness.execution.scheduler.StageLock", partial(StageLock, lease_seconds=0.3))
    lease = layout.lock(LOW.kind, LOW.identity, "lease")

    class Silent(PretendExecutor):
        taken, waits = None, 0

        def wait(self, timeout):
            time.sleep(0.01)
            self.waits += 1
            assert self.waits < 300, "nobody noticed"
            if self.jobs and self.jobs[0].label == "low":
                if self.taken is None:
                    self.taken = lease.with_name("taken")
                    self.taken.write_text(lease.read_text())
                    self.taken.rename(lease)
                return []
            if self.taken is not None and lease.exists():
                publish(self.layout, LOW.fields, LOW.identity)
                lease.unlink()
            return super().wait(timeout)

    executor = Silent(layout)
    states = read_states(STAGES, layout)
    told = schedule(layout, executor, states)
    assert sorted(executor.ran) == sorted(stage.label for stage in STAGES), "each ran here once at most"
    assert told.withdrawals == [("low", "another process on the results folder has taken it over")]
    assert states.count("complete") == 5
