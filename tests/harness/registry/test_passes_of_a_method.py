"""The settings of the passes that a compressor takes."""

from math import prod

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.errors import PluginError
from harness.registry import IterativeOptions, MethodDescriptor, Options


class Plain(Options):
    steps: int = 3


METHOD = MethodDescriptor(name="peel", summary="", implementation="x:Y", family="pruning", options=IterativeOptions)


def test_one_pass_has_the_setting_that_was_asked_for():
    assert METHOD.passes(0.3, IterativeOptions()) == (0.3,)
    assert METHOD.passes("int8", IterativeOptions()) == ("int8",)
    assert METHOD.passes(None, Options()) == (None,)


def test_an_option_that_is_merely_called_steps_is_the_methods_own():
    assert METHOD.passes(0.5, Plain()) == (0.5,)
    assert not Plain.plan_options


@given(st.floats(0, 1, exclude_max=True), st.integers(2, 20))
def test_equal_passes_remove_the_ratio_together(ratio, steps):
    passes = METHOD.passes(ratio, IterativeOptions(steps=steps))
    assert len(passes) == steps
    assert len(set(passes)) == 1
    assert all(0 <= each < 1 for each in passes)
    assert prod(1 - each for each in passes) == pytest.approx(1 - ratio, abs=1e-10)


def test_a_passs_setting_is_the_same_number_on_every_machine():
    assert METHOD.passes(0.5, IterativeOptions(steps=3)) == (0.206299474016,) * 3
    assert METHOD.passes(0.75, IterativeOptions(steps=2)) == (0.5, 0.5)
    assert METHOD.passes(0.0, IterativeOptions(steps=2)) == (0.0, 0.0)


@pytest.mark.parametrize("steps", [0, -1, 21, 2.5, "many"])
def test_the_number_of_passes_has_bounds(steps):
    with pytest.raises(ValidationError):
        IterativeOptions(steps=steps)


def test_what_is_no_ratio_cannot_be_split_by_default():
    with pytest.raises(PluginError, match="no ratio"):
        METHOD.passes("int8", IterativeOptions(steps=2))
