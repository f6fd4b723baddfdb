"""Runs that share a results folder take nothing from each other."""

import io
import os

import pytest
from cells import complete_cell
from rich.console import Console
from test_run import PLAN, Pretends
from test_scheduler import HIGH, LOW, MEASURE, PREPARE, STAGES, TRAIN, PretendExecutor, publish, schedule

from harness.errors import UserError
from harness.execution.forcing import remove_forced
from harness.execution.local import Event
from harness.execution.messages import FailedMessage
from harness.execution.records import RecordKeeper
from harness.execution.run import RunSettings, carry_out
from harness.execution.states import read_states
from harness.store.aside import set_aside
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.lock import StageLock
from harness.store.record import read_record, read_records
from harness.store.stage import find_failure, forget_failure, publish_failure, read_failure

FIRST, SECOND = PLAN.cells
OOM = Failure(kind="oom", message="too big")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


class Process:
    """A run as far as it matters here: where it believes that the stages stand, and its records."""

    def __init__(self, layout, retry=None):
        self.states, self.notices = read_states(PLAN.stages, layout, retry=retry), []
        self.keeper = RecordKeeper(PLAN, layout, self.states, self.notices.append)


def publish_oom(layout, stage):
    work = layout.work(stage.kind, stage.identity)
    publish_failure(layout, work, stage.kind, stage.identity, stage.label, OOM)


def statuses(records):
    return [record.status for record in records]


def complete_elsewhere(layout):
    """Another process retries what failed, completes everything, and ends first."""
    for stage in PLAN.stages:
        forget_failure(layout, stage.kind, stage.identity)
    for cell in PLAN.cells:
        complete_cell(layout, cell)
    return Process(layout).keeper.write_all()


def run(layout, executor, **settings):
    return carry_out(PLAN, layout, RunSettings(**settings), Console(file=io.StringIO(), width=200), executor)


@pytest.mark.parametrize("failed", [FIRST.stages[0], FIRST.measured])
def test_a_failure_that_another_process_mended_is_not_recorded_any_more(layout, failed):
    publish_oom(layout, failed)
    process = Process(layout)
    assert process.states[failed] == "failed"
    process.keeper.begin()
    written = complete_elsewhere(layout)
    assert statuses(process.keeper.write_all()) == ["complete", "complete"]
    assert read_records(layout) == written


def test_a_cell_that_settles_here_is_judged_by_what_is_there(layout):
    """Not only the last look is a new one."""
    publish_oom(layout, FIRST.stages[0])
    process = Process(layout)
    complete_elsewhere(layout)
    process.keeper.update(FIRST.stages[0])
    assert statuses(read_records(layout)) == ["complete", "complete"]


def test_a_cell_that_another_process_completed_stays_so_when_this_one_is_stopped(layout):
    def stopped(job):
        complete_elsewhere(layout)
        raise KeyboardInterrupt

    outcome = run(layout, Pretends(layout, {"prepare l1": stopped}))
    assert outcome.interrupted
    assert statuses(outcome.records) == ["complete", "complete"]
    assert statuses(read_records(layout)) == ["complete", "complete"]


def test_what_another_process_took_away_is_recorded_as_gone(layout):
    complete_elsewhere(layout)
    process = Process(layout)
    remove_forced(PLAN.stages, layout, lambda stage: stage == FIRST.measured)
    first, second = process.keeper.write_all()
    assert (first.status, first.latency) == ("interrupted", None)
    assert second.status == "complete"


@pytest.mark.parametrize("left", [False, True], ids=["nothing left", "work left"])
def test_a_failure_that_could_not_be_stored_is_still_in_the_record(layout, left):
    """On a full disk; the failed try's folder is where it was then, for `publish_failure` removes it last."""

    def fails(job):
        if left:
            job.work.mkdir(parents=True)
        return [Event(job.identity, FailedMessage(failure=OOM))]

    outcome = run(layout, Pretends(layout, {"compress l1@0.2": fails}))
    first, second = outcome.records
    assert (first.status, first.failure, first.failed_stage) == ("failed", OOM, "compress l1@0.2")
    assert second.status == "complete"
    assert read_records(layout) == outcome.records
    assert find_failure(layout, "compress", FIRST.points[1].made.identity).file is None


def test_a_failure_that_could_not_be_stored_here_is_not_held_against_who_tries_again(layout):
    """Its owner will say how it ended."""
    failed = FIRST.points[1].made
    process = Process(layout)
    process.states.set(failed, "failed", OOM)
    lock = StageLock(layout, failed.kind, failed.identity)
    assert lock.acquire()
    try:
        assert "failed" not in statuses(process.keeper.write_all())
    finally:
        lock.release()
    assert process.keeper.write_all()[0].failure == OOM


@pytest.mark.parametrize("ending", ["fail", "lose", "kill"])
@pytest.mark.parametrize("wanted", [TRAIN, PREPARE])
def test_an_input_that_is_taken_away_meanwhile_is_nothing_against_the_stage(layout, ending, wanted):
    class Forced(PretendExecutor):
        done = False

        def wait(self, timeout):
            if self.jobs and self.jobs[0].label == "low" and not self.done:
                self.done = True
                assert wanted in remove_forced(STAGES, layout, lambda stage: stage == wanted)
                try:
                    return super().wait(timeout)
                finally:
                    self.fail, self.lose, self.kill = set(), set(), {}
            return super().wait(timeout)

    executor = Forced(layout, **{ending: {"low": 1}})
    states, settled = read_states(STAGES, layout), []
    told = schedule(layout, executor, states, settled.append)
    again = ["train", "prepare", "low"][STAGES.index(wanted) :]
    assert executor.ran == ["train", "prepare", "low", *again, "measure", "high"]
    assert told.withdrawals == [("low", f"{wanted.label} was taken out of the folder by another process")]
    assert read_failure(layout, LOW.kind, LOW.identity) is None
    assert (LOW in states.failures, states.count("complete")) == (False, 5)
    assert settled.count(LOW) == 1


def test_a_failure_with_all_inputs_in_their_places_is_the_stages_own(layout):
    states = read_states(STAGES, layout)
    told = schedule(layout, PretendExecutor(layout, fail=["low"]), states)
    assert told.withdrawals == []
    assert read_failure(layout, LOW.kind, LOW.identity).kind == "oom"
    assert (states[LOW], states[MEASURE]) == ("failed", "blocked")


def test_an_input_of_this_very_run_is_looked_for_before_it_is_used(layout):
    """Its bytes need not be read again, but it may be gone."""

    taken = []

    def take_once(settled):
        if settled == PREPARE and not taken:
            taken.extend(remove_forced(STAGES, layout, lambda stage: stage == PREPARE))

    executor = PretendExecutor(layout)
    states = read_states(STAGES, layout)
    schedule(layout, executor, states, take_once)
    assert PREPARE in taken
    assert executor.ran == ["train", "prepare", "prepare", "low", "measure", "high"]
    assert states.count("complete") == 5


def test_who_is_waited_for_is_told_once(layout):
    lock = StageLock(layout, TRAIN.kind, TRAIN.identity)
    assert lock.acquire()

    class Elsewhere(PretendExecutor):
        waits = 0

        def wait(self, timeout):
            self.waits += 1
            if self.waits == 5:
                publish(layout, TRAIN.fields, TRAIN.identity)
                lock.release()
            return super().wait(timeout)

    told = schedule(layout, Elsewhere(layout), read_states(STAGES, layout))
    (notice,) = told.notices
    assert notice.startswith(f"waits for train (): process {os.getpid()} on ")
    assert notice.endswith(" runs it")


def test_nobody_is_told_of_while_there_is_something_to_do(layout):
    """Only who stands still waits."""
    for source in (TRAIN, PREPARE):
        publish(layout, source.fields, source.identity)
    lock = StageLock(layout, HIGH.kind, HIGH.identity)
    assert lock.acquire()

    class Elsewhere(PretendExecutor):
        def wait(self, timeout):
            if self.jobs and self.jobs[0].label == "low":
                publish(layout, HIGH.fields, HIGH.identity)
                lock.release()
            return super().wait(timeout)

    executor = Elsewhere(layout, workers=2)
    told = schedule(layout, executor, read_states(STAGES, layout))
    assert executor.ran == ["low", "measure"]
    assert told.notices == []


def test_what_is_gone_cannot_be_set_aside(layout):
    there, gone = layout.cells / "there", layout.cells / "gone"
    there.mkdir(parents=True)
    assert set_aside(layout, gone, "damaged") is None
    assert list(layout.aside.iterdir()) == [], "no reason without the thing"
    kept = set_aside(layout, there, "damaged")
    assert (kept.is_dir(), there.exists()) == (True, False)


def test_a_damaged_record_that_is_gone_meanwhile_is_written_anew(layout, monkeypatch):
    complete_elsewhere(layout)
    path = layout.record(FIRST.cell.name)
    whole = read_record(path)
    path.write_text("")

    def reading(place):
        try:
            return read_record(place)
        except UserError:
            place.unlink()  # another process has set it aside by now
            raise

    monkeypatch.setattr("harness.execution.records.read_record", reading)
    assert statuses(Process(layout).keeper.write_all()) == ["complete", "complete"]
    assert read_record(path) == whole
