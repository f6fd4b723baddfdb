"""Each check of a data set fails for a data set that is wrong in just that."""

import pytest
from sketch import FACTS

from harness.testing import DatasetSuite

FACTS_OF_SPLITS = {"hidden split"}


@pytest.fixture
def failing_dataset(failing):
    def run(wrong, **attributes):
        options = {"wrong": wrong} if wrong else {}
        return failing(DatasetSuite, **{"dataset": "dots", "options": options, **attributes})

    return run


def test_a_data_set_that_is_right_passes(failing_dataset):
    assert failing_dataset("", other_options={"wrong": "other"}) == {}


@pytest.mark.parametrize(
    ("wrong", "check", "told"),
    [
        ("hidden split", "splits_can_be_read", "the val split can be read but is not in `splits`"),
        ("endless", "splits_can_be_read", "a pass over 16 samples of the train split has 17"),
        ("grey", "batches_are_what_the_task_reads", "expected [3, H, W]"),
        ("single", "batches_are_what_the_task_reads", "batches has 1 samples, not 2"),
        ("own seed", "same_seed_gives_the_same_samples_in_the_same_order", "two loaders of one train request"),
        ("one seed", "other_seed_trains_on_another_order", "the same samples in the same order"),
        ("overlap", "other_splits_have_no_training_samples", "16 of 16 images of the test split"),
        ("lambda", "it_travels_to_loader_processes", "it cannot be pickled"),
        *((wrong, "facts_are_sane", "") for wrong in sorted(FACTS) if wrong not in (*FACTS_OF_SPLITS, "size")),
    ],
)
def test_a_data_set_fails_the_check_that_is_about_it(failing_dataset, wrong, check, told):
    failed = failing_dataset(wrong)
    assert list(failed) == [check]
    assert told in failed[check]
    assert len(failed[check].splitlines()) > 1, "it says what to do"


def test_an_input_size_of_nothing(failing_dataset):
    assert "meta.input_size is (0, 8)" in failing_dataset("size")["facts_are_sane"]


def test_a_class_may_be_ignored_on_purpose_by_its_name(failing_dataset):
    assert failing_dataset("ignored", ignored_class="c") == {}
    assert "is the class 'c'" in failing_dataset("ignored", ignored_class="b")["facts_are_sane"]
    assert "ignored_class = 'c'" in failing_dataset("ignored")["facts_are_sane"]
    assert "ignore_index None is no class" in failing_dataset("", ignored_class="c")["facts_are_sane"]


def test_a_fingerprint_that_knows_no_options(failing_dataset):
    failed = failing_dataset("", other_options={"wrong": "fingerprint"})
    assert failed == {}, "`dots` is another fingerprint than `dots `"
    failed = failing_dataset("fingerprint", other_options={"wrong": "fingerprint"})
    assert "the fingerprint is the same with {'wrong': 'fingerprint'}" in failed["fingerprint_changes_with_the_options"]


def test_a_slow_data_set_fails_by_its_time(failing_dataset):
    failed = failing_dataset("slow sample", time_limit_seconds=0.05, samples=4)
    assert list(failed) == ["ends_within_the_time_limit"]


def test_a_class_without_a_data_set(failing):
    with pytest.raises(pytest.fail.Exception, match="it names no data set"):
        failing(DatasetSuite)
