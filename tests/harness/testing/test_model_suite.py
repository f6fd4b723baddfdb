"""Each check of a model fails for a model that is wrong in just that."""

import pytest

from harness.testing import ModelSuite

STORED = {"artifact_rebuilds_the_model_bit_for_bit", "it_can_be_compressed"}


@pytest.fixture
def failing_model(failing):
    def run(wrong, **attributes):
        shape = {"expected_prediction": lambda self, meta, images: (images, len(meta.classes), *meta.input_size)}
        options = {"wrong": wrong} if wrong else {}
        asked = {"model": "net", "compressor": "shorten@0.5", "options": options, **shape, **attributes}
        return failing(ModelSuite, **asked)

    return run


def test_a_model_that_is_right_passes(failing_model):
    assert failing_model("") == {}


@pytest.mark.parametrize(
    ("wrong", "checks", "told"),
    [
        ("tuple", {"config_is_plain_json"}, "the config is another one behind JSON"),
        ("own seed", {"same_seed_builds_the_same_weights"}, "built twice from one seed, hidden.weight differ"),
        ("no seed", {"other_seed_builds_other_weights"}, "all weights are equal"),
        ("half", {"prediction_has_the_tasks_shape"}, "is [2, 3, 4, 4]; expected [2, 3, 8, 8]"),
        ("headless", {"forward_returns_the_outputs_of_all_heads"}, "the outputs of 2 images are []"),
        ("unused", {"loss_is_finite_and_reaches_every_parameter"}, "reaches spare"),
        ("not stored", STORED, "loaded from its artifact it differs in prediction"),
        ("untraceable", {"it_can_be_compressed"}, "shorten@0.5 does not work on it: trace_error: by design"),
    ],
)
def test_a_model_fails_the_check_that_is_about_it(failing_model, wrong, checks, told):
    failed = failing_model(wrong)
    assert set(failed) == checks
    assert told in failed[min(failed)]
    assert len(failed[min(failed)].splitlines()) > 1, "it says what to do"


def test_what_the_author_knows_is_no_failure(failing_model):
    assert failing_model("unused", unused_parameters=("spa*",)) == {}
    assert failing_model("untraceable", not_compressible="it has no channels") == {}


def test_a_reason_that_is_outdated_fails(failing_model):
    failed = failing_model("", not_compressible="it has no channels")
    assert "Take `not_compressible` out" in failed["it_can_be_compressed"]


def test_a_slow_model_fails_by_its_time(failing_model):
    failed = failing_model("slow", time_limit_seconds=0.08)
    assert list(failed) == ["ends_within_the_time_limit"]
    assert "building net and a prediction had not ended" in failed["ends_within_the_time_limit"]


def test_a_class_without_a_model(failing):
    with pytest.raises(pytest.fail.Exception, match="it names no model"):
        failing(ModelSuite)
