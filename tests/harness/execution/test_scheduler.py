"""The scheduler against an executor that only pretends: order, exclusiveness, failures, sharing."""

import time

import pytest

from harness.execution.local import Event
from harness.execution.messages import DoneMessage, FailedMessage
from harness.execution.scheduler import JobSettings, Scheduler
from harness.execution.states import read_states
from harness.plan.identity import StageFields
from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.stage import StageFile, publish_failure, publish_stage, read_failure


def stage(name, kind="train", **inputs):
    fields = StageFields(kind=kind, parameters={"name": name}, inputs={k: v.identity for k, v in inputs.items()})
    return Stage(fields=fields, label=name, subject="", inputs=tuple(inputs.items()))


TRAIN = stage("train")
PREPARE = stage("prepare", "prepare", model=TRAIN)
LOW = stage("low", "compress", model=TRAIN, state=PREPARE)
HIGH = stage("high", "compress", model=TRAIN, state=PREPARE)
MEASURE = stage("measure", "measure", candidate=LOW, baseline=TRAIN)
STAGES = [TRAIN, PREPARE, LOW, MEASURE, HIGH]


class Quiet:
    def started(self, stage): ...
    def progressed(self, stage, message): ...
    def finished(self, stage, states): ...


class PretendExecutor:
    """Finishes one job at each wait; `fail` and `lose` name the stages that go wrong."""

    def __init__(self, layout, workers=1, fail=(), lose=(), interrupt_at=None):
        self.layout, self.workers, self.fail, self.lose = layout, workers, set(fail), set(lose)
        self.interrupt_at = interrupt_at
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
        if job.label in self.fail:
            publish_failure(self.layout, job.work, job.fields.kind, job.identity, job.label, failure.failure)
            return [Event(job.identity, failure)]
        publish_stage(self.layout, job.work, file_of(job.fields, job.identity))
        return [Event(job.identity, DoneMessage())]

    def cancel(self, identity):
        self.jobs = [job for job in self.jobs if job.identity != identity]

    def close(self):
        self.closed = True


def file_of(fields, identity):
    return StageFile(
        kind=fields.kind, identity=identity, fields=fields.model_dump(), label="", result={},
        started="", seconds=0, cpu_seconds=0, environment={},
    )  # fmt: skip


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def schedule(layout, executor, states, settled=lambda stage: None, *, measure_last=False, redo=False, **settings):
    Scheduler(
        states, layout, executor, Quiet(), JobSettings("cpu", 1, (), **settings), settled,
        measure_last=measure_last, redo=redo,
    ).run()  # fmt: skip


def run(layout, executor, *, measure_last=False, **reading):
    states = read_states(STAGES, layout, **reading)
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


def test_no_skip_existing_runs_everything_again(layout):
    run(layout, PretendExecutor(layout))
    states = read_states(STAGES, layout, skip_existing=False)
    again = PretendExecutor(layout)
    schedule(layout, again, states, redo=True)
    assert len(again.ran) == 5


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
    states, _ = run(layout, retried, retry=lambda failure: failure.kind == "oom")
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
                publish_stage(self.layout, job.work, file_of(job.fields, job.identity))

    states, _ = run(layout, DiesLate(layout, lose=["low"]))
    assert states.count("complete") == 5
    assert read_failure(layout, LOW.kind, LOW.identity) is None


def test_a_lost_worker_is_no_success_because_an_earlier_run_was_one(layout):
    run(layout, PretendExecutor(layout))
    states = read_states(STAGES, layout, skip_existing=False)
    executor = PretendExecutor(layout, lose=["low"])
    schedule(layout, executor, states, redo=True)
    assert states[LOW] == "failed"


def test_a_retry_that_failed_in_another_process_is_not_repeated(layout):
    run(layout, PretendExecutor(layout, fail=["train"]))
    states = read_states(STAGES, layout, retry=lambda failure: True)
    work = layout.work(TRAIN.kind, TRAIN.identity)
    work.mkdir(parents=True)
    time.sleep(0.01)
    publish_failure(layout, work, TRAIN.kind, TRAIN.identity, "train", Failure(kind="oom", message="x"))
    executor = PretendExecutor(layout)
    schedule(layout, executor, states)
    assert executor.ran == []
    assert states[TRAIN] == "failed"


@pytest.mark.parametrize(
    ("stage_", "redo", "kept"), [(TRAIN, False, True), (TRAIN, True, False), (PREPARE, False, False)]
)
def test_only_trainings_find_what_an_interrupted_try_left(layout, stage_, redo, kept):
    left = layout.work(stage_.kind, stage_.identity) / "checkpoint"
    left.parent.mkdir(parents=True)
    left.write_text("")
    found = []

    class Looks(PretendExecutor):
        def submit(self, job):
            if job.identity == stage_.identity:
                found.append((job.work / "checkpoint").exists())
            super().submit(job)

    states = read_states(STAGES, layout, skip_existing=not redo)
    schedule(layout, Looks(layout), states, redo=redo)
    assert found == [kept]


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
    states = read_states(STAGES, layout, retry=lambda failure: True)
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
                work = layout.work(TRAIN.kind, TRAIN.identity)
                work.mkdir(parents=True)
                publish_stage(layout, work, file_of(TRAIN.fields, TRAIN.identity))
                lock.release()
            return super().wait(timeout)

    executor = Elsewhere(layout)
    states, _ = run(layout, executor)
    assert executor.ran == ["prepare", "low", "measure", "high"]
    assert states.count("complete") == 5
