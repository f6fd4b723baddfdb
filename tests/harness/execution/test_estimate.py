from dataclasses import replace
from fractions import Fraction

import pytest
from cells import complete, make_stage

from harness.execution.estimate import Estimator, by_kind, taught_estimator
from harness.execution.states import read_states
from harness.store.layout import Layout
from harness.store.stage import read_stage

TRAIN = make_stage("train", "train")
COMPRESS = make_stage("compress", "compress")


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path)


def estimator(**seconds):
    made = Estimator()
    for kind, values in seconds.items():
        for value in values:
            made.learn(kind, value)
    return made


def test_nothing_seen_nothing_said_unless_nothing_is_left():
    assert Estimator().remaining({"train": 1}) is None
    assert Estimator().remaining({}) == 0


def test_a_stage_takes_the_mean_of_its_kind():
    assert estimator(train=[10, 20], compress=[1]).remaining({"train": 1, "compress": 3}) == 18


def test_a_kind_never_seen_counts_as_the_mean_of_all_that_was():
    assert estimator(train=[10, 20], compress=[3]).remaining({"measure": 1}) == 11


@pytest.mark.parametrize(("workers", "seconds"), [(1, 45), (2, 25), (3, 25)])
def test_workers_share_all_but_measurements_and_wait_for_the_longest(workers, seconds):
    stages = {"train": 1, "compress": 4, "measure": 1}
    assert estimator(train=[20], compress=[5], measure=[5]).remaining(stages, workers) == seconds


def test_stages_are_counted_by_kind():
    assert by_kind([TRAIN, COMPRESS, make_stage("compress", "another")]) == {"train": 1, "compress": 2}


def test_passes_that_share_a_budget_are_one_whole_stage():
    halves = [replace(make_stage("recover", f"pass {number}"), share=Fraction(1, 2)) for number in (1, 2)]
    made = Estimator()
    made.learn("recover", 40, halves[0].share)
    assert made.remaining({"recover": 1}) == 80
    assert by_kind([*halves, make_stage("recover", "a whole one")]) == {"recover": 2}
    assert made.remaining(by_kind(halves[1:])) == 80 / 2


def test_it_learns_from_what_lies_in_the_results_folder(layout):
    complete(layout, TRAIN, seconds=40)
    made = taught_estimator(read_states([TRAIN, COMPRESS], layout), [])
    assert made.remaining({"train": 1}) == 40


def test_only_a_plan_without_complete_stages_learns_from_earlier_ones(layout):
    old = make_stage("train", "an old one")
    complete(layout, old, seconds=10)
    earlier = [read_stage(layout, old.kind, old.identity)]
    assert taught_estimator(read_states([TRAIN], layout), earlier).remaining({"train": 1}) == 10
    complete(layout, TRAIN, seconds=40)
    assert taught_estimator(read_states([TRAIN, COMPRESS], layout), earlier).remaining({"train": 1}) == 40


def test_earlier_stages_are_not_read_where_nothing_is_to_be_run(layout):
    def earlier():
        pytest.fail("read for nothing")
        yield

    complete(layout, TRAIN)
    assert taught_estimator(read_states([TRAIN], layout), earlier()).remaining({}) == 0
