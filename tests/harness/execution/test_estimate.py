import pytest
from cells import complete, make_stage

from harness.execution.estimate import Estimator
from harness.store.layout import Layout

TRAIN = make_stage("train", "train")
COMPRESS = make_stage("compress", "compress")
MEASURE = make_stage("measure", "measure")


def estimator(**seconds):
    made = Estimator()
    for kind, values in seconds.items():
        for value in values:
            made.learn(make_stage(kind, "x"), value)
    return made


def test_nothing_seen_nothing_said_unless_nothing_is_left():
    assert Estimator().remaining([TRAIN]) is None
    assert Estimator().remaining([]) == 0


def test_a_stage_takes_the_mean_of_its_kind():
    assert estimator(train=[10, 20], compress=[1]).remaining([TRAIN, COMPRESS]) == 16


def test_a_kind_never_seen_counts_as_the_mean_of_all_that_was():
    assert estimator(train=[10, 20], compress=[3]).remaining([MEASURE]) == 11


@pytest.mark.parametrize(("workers", "seconds"), [(1, 45), (2, 25), (3, 25)])
def test_workers_share_all_but_measurements_and_wait_for_the_longest(workers, seconds):
    stages = [TRAIN, *(make_stage("compress", str(number)) for number in range(4)), MEASURE]
    assert estimator(train=[20], compress=[5], measure=[5]).remaining(stages, workers) == seconds


def test_it_learns_from_what_lies_in_the_results_folder(tmp_path):
    complete(Layout(tmp_path), TRAIN, seconds=40)
    made = Estimator()
    made.learn_from([TRAIN, COMPRESS], Layout(tmp_path))
    assert made.remaining([TRAIN]) == 40
