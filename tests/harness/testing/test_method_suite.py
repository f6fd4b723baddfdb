"""Each check of a method fails for a method that is wrong in just that, and for no other reason."""

from unittest.mock import ANY

import pytest

from harness.testing import MethodSuite

SHORT = {"time_limit_seconds": 5.0}
DETERMINISM = "same_seed_gives_the_same_result"
BUDGET = "trains_within_the_budget"


@pytest.mark.parametrize(
    ("method", "settings"),
    [("shorten", ()), ("polish", ()), ("round", ("int8",)), ("open", (0.0, 0.3))],
)
def test_methods_that_are_right_pass(failing, method, settings):
    failed = failing(MethodSuite, method=method, settings=settings)
    assert failed == ({} if method != "open" else {"unknown_options_are_refused": ANY})


@pytest.mark.parametrize(
    ("wrong", "check", "told"),
    [
        ("global", "no_global_state_is_left", "has changed environment variables: SKETCH"),
        ("global random", "no_global_state_is_left", "has changed torch's random state"),
        ("past the context", "data_come_through_the_context", "opened a loader of the test split by itself"),
        ("own random", DETERMINISM, "two runs of shorten with one seed differ in scores"),
        ("hidden state", "a_new_object_with_the_stored_state_gives_the_same", "AttributeError"),
        ("alias", "state_does_not_hang_on_the_model", "scores of the state changes with the model"),
        ("state", "compress_leaves_the_state_as_it_was", "`compress` has changed scores of the state"),
        ("untyped", "wrong_settings_are_typed_errors", "raises ValueError (untyped) at the setting -0.1"),
        ("accepts all", "wrong_settings_are_typed_errors", "compresses at the setting -0.1"),
        ("falls", "reduction_grows_with_the_ratio", "ratio 0.5 removes less params, macs, channels than 0.2"),
        ("constant", "reduction_grows_with_the_ratio", "ratio 0.8 removes as many parameters as 0.2"),
        ("misses", "target_is_met_or_the_miss_is_explained", "removes 30.00% and does not say why"),
        ("claims", "target_is_met_or_the_miss_is_explained", "20.00% of channels, 10.00% of params, but 19"),
        ("silent", "target_is_met_or_the_miss_is_explained", "it does not say what it achieved"),
        ("zero", "ratio_zero_changes_nothing", "at ratio 0 the model's output 0, prediction differ"),
        ("attribute", "artifact_rebuilds_the_model_bit_for_bit", "the artifact at 0.2 differs in output 0"),
        ("check", "compressed_models_pass_the_self_checks", "own: by design"),
        ("details", "account_is_plain_json", "`details` is not plain JSON"),
        ("percent", "account_is_plain_json", "`achieved` holds {'latency': 50.0}"),
    ],
)
def test_a_compressor_fails_the_check_that_is_about_it(failing, wrong, check, told):
    failed = failing(MethodSuite, method=f'shorten(wrong="{wrong}")')
    assert list(failed) == [check]
    assert told in failed[check]
    assert len(failed[check].splitlines()) > 1, "it says what to do"


def test_a_version_that_nobody_reads(failing):
    failed = failing(MethodSuite, method="shorten(wrong=version)")
    assert "but only version 1 is read" in failed.pop("account_is_plain_json")
    assert list(failed) == ["artifact_rebuilds_the_model_bit_for_bit"], "nor can the artifact be loaded"


@pytest.mark.parametrize(
    ("method", "check", "told"),
    [
        ("heavy", "descriptor_loads_without_torch", "loading the descriptor of heavy imports torch"),
        ("noted", "options_survive_json_and_yaml", "are Noted(note=[1, 2]) behind JSON"),
        ("unique", "identity_is_the_same_for_equal_options", "options of unique differ in a second process"),
        ("forgotten", "implementation_is_what_the_descriptor_says", "has_prepare=False, but the class overrides"),
        ("misnamed", "implementation_is_what_the_descriptor_says", "Plain is not a Recovery"),
    ],
)
def test_a_descriptor_fails_the_check_that_is_about_it(failing, method, check, told):
    failed = failing(MethodSuite, method=method)
    assert list(failed) == [check]
    assert told in failed[check]


@pytest.mark.parametrize(
    ("wrong", "check", "told"),
    [
        ("adds", "structure_is_kept", "other weights than the given one: extra"),
        ("trains more", BUDGET, "it took 8 optimiser steps of a budget of 4"),
        ("undoes", BUDGET, "no weight has changed"),
        ("repairs", "not_a_number_never_leaves_silently", "ended as if nothing had happened"),
        ("own random", DETERMINISM, "differ in head.bias"),
        ("global", "no_global_state_is_left", "SKETCH"),
        ("test split", "data_come_through_the_context", "has read the test split"),
    ],
)
def test_a_recovery_fails_the_check_that_is_about_it(failing, wrong, check, told):
    failed = failing(MethodSuite, method=f'polish(wrong="{wrong}")')
    assert list(failed) == [check]
    assert told in failed[check]


@pytest.mark.parametrize(("method", "limit"), [("shorten", 0.15), ("polish", 0.35)])
def test_a_slow_method_fails_by_its_time_alone(failing, method, limit):
    failed = failing(MethodSuite, method=f"{method}(wrong=slow)", time_limit_seconds=limit)
    assert list(failed) == ["ends_within_the_time_limit"]
    assert f"the limit is {limit:g} s" in failed["ends_within_the_time_limit"]


def test_a_method_that_hangs_is_stopped(failing):
    failed = failing(MethodSuite, method="shorten(wrong=hangs)", time_limit_seconds=0.01)
    assert "`prepare` of shorten had not ended after 0.05 s" in failed["ends_within_the_time_limit"]


def test_a_setting_that_cannot_be_written(failing):
    failed = failing(MethodSuite, method="round", settings=("int8", "int 8"))
    assert "'int 8'" in failed["settings_survive_json_and_the_pipeline_language"]


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({}, "it names no method"),
        ({"method": "shorter"}, "unknown method 'shorter'"),
        ({"method": "shorten@0.5"}, "is not one method without a setting"),
        ({"method": "shorten(speed=2)"}, "unknown option"),
        ({"method": "round"}, "round needs a precision"),
        ({"method": "shorten", "model_options": {"width": 2}}, "unknown option"),
    ],
)
def test_a_mistake_in_the_class_is_told_without_a_traceback(failing, attributes, told):
    with pytest.raises(pytest.fail.Exception, match=told) as raised:
        failing(MethodSuite, **attributes)
    assert raised.value.pytrace is False
