import io

import pytest
from cells import make_cell, states_of
from rich.console import Console

from harness.execution.display import RunDisplay, duration
from harness.execution.estimate import Estimator
from harness.execution.messages import ProgressMessage
from harness.store.failure import Failure
from harness.store.layout import Layout

PLANNED = make_cell()
TRAIN, EVALUATE, *_ = PLANNED.stages


class Shown:
    """A display, its output and a clock that is set by hand."""

    def __init__(self, folder, **console):
        self.now = 100.0
        self.stream = io.StringIO()
        self.states = states_of(Layout(folder), PLANNED)
        self.estimator = Estimator()
        console = Console(file=self.stream, width=200, **console)
        self.display = RunDisplay(console, self.states, self.estimator, 1, clock=lambda: self.now)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()

    def progress(self, done, text="loss 0.53"):
        self.display.progressed(TRAIN, ProgressMessage(done=done, total=1400, text=text))

    def finish(self, stage, state="complete", failure=None):
        self.states.set(stage, state, failure)
        self.display.finished(stage, self.states)


@pytest.fixture
def plain(tmp_path):
    return Shown(tmp_path)


def test_spans_for_people():
    shown = [duration(seconds) for seconds in (0, 59.4, 59.6, 3599, 3600)]
    assert shown == ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min"]


def test_off_a_terminal_a_running_stage_tells_how_far_it_is_every_half_minute(plain):
    with plain.display as display:
        display.started(TRAIN)
        for _ in range(100):
            plain.now += 1
            plain.progress(done=int(14 * (plain.now - 100)))
    start, *told = plain.lines
    assert start == "[0/8] start  train model (model · data · seed 0)"
    assert len(told) == 3
    assert told[0] == "[0/8]        train model (model · data · seed 0)  420/1400  loss 0.53  1 min 10 s left"
    assert "840/1400" in told[1]


def test_off_a_terminal_a_finished_stage_is_one_line_and_teaches_the_estimator(plain):
    plain.display.started(TRAIN)
    plain.now += 12.34
    plain.finish(TRAIN)
    assert plain.lines[-1] == "[1/8] done   train model (model · data · seed 0)  12.3 s"
    assert plain.estimator.remaining({"train": 1}) == pytest.approx(12.34)


def test_a_stage_of_another_process_teaches_nothing(plain):
    plain.finish(TRAIN)
    plain.finish(EVALUATE, "failed", Failure(kind="oom", message="too big"))
    assert plain.lines[0].endswith("done by another process")
    assert "tried by another process" in plain.lines[1]
    assert "0.0 s" not in plain.stream.getvalue()
    assert plain.estimator.remaining({"train": 1}) is None


def test_a_failure_says_why_what_to_do_and_where_its_log_is(plain):
    plain.display.started(TRAIN)
    plain.finish(TRAIN, "failed", Failure(kind="oom", message="too [big]", hint="buy more", log="failures/x/stage.log"))
    assert plain.lines[1].startswith("[1/8] FAILED train model")
    assert [line.strip() for line in plain.lines[2:]] == ["oom: too [big]", "buy more", "log: failures/x/stage.log"]
    assert plain.estimator.remaining({"train": 1}) is None


def test_in_a_terminal_rows_come_and_go_and_the_rest_is_estimated(tmp_path):
    shown = Shown(tmp_path, force_terminal=True)
    with shown.display as display:
        display.started(TRAIN)
        shown.now += 10
        shown.progress(done=700)
        display._progress.refresh()
        shown.finish(TRAIN)
        display._progress.refresh()
        assert len(display._progress.tasks) == 1
    output = shown.stream.getvalue()
    for text in ("all stages", "700/1400", "10 s left", "1/8", "about 1 min 10 s left", "done"):
        assert text in output


def test_leaving_a_terminal_in_the_middle_takes_the_rows_away(tmp_path):
    shown = Shown(tmp_path, force_terminal=True)
    with shown.display as display:
        display.started(TRAIN)
    assert [task.description for task in display._progress.tasks] == ["[bold]all stages"]


@pytest.mark.parametrize("console", [{}, {"force_terminal": True}], ids=["plain", "terminal"])
def test_a_stage_that_is_tried_again_starts_anew_and_says_why(tmp_path, console):
    shown = Shown(tmp_path, **console)
    with shown.display as display:
        display.started(TRAIN)
        shown.now += 40
        shown.progress(done=700)
        display.withdrawn(TRAIN, "the worker was ended from outside by SIGKILL")
        assert display._rows == {}
        display.started(TRAIN)
        shown.now += 5
        shown.finish(TRAIN)
    output = shown.stream.getvalue()
    assert "[0/8] again  train model (model · data · seed 0)  the worker was ended from outside by SIGKILL" in output
    assert "[1/8] done   train model (model · data · seed 0)  5.0 s" in output
    assert shown.estimator.remaining({"train": 1}) == pytest.approx(5), "what was in vain is no measure"


def test_a_stage_that_was_left_to_another_process_is_not_timed(plain):
    plain.display.started(TRAIN)
    plain.now += 40
    plain.display.withdrawn(TRAIN, "taken over")
    plain.finish(TRAIN)
    assert plain.lines[-1].endswith("done by another process")
    assert plain.estimator.remaining({"train": 1}) is None


def test_what_was_found_is_a_line_of_its_own(plain):
    plain.display.noticed("set aside: [a] file")
    assert plain.lines == ["[0/8] set aside: [a] file"]


def test_a_continued_training_is_judged_by_its_own_pace(plain):
    plain.display.started(TRAIN)
    for seconds, done in ((0, 700), (40, 900)):
        plain.now += seconds
        plain.progress(done=done)
    assert plain.lines[-1].endswith("900/1400  loss 0.53  1 min 40 s left")
