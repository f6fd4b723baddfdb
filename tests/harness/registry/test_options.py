from typing import Literal

import pytest
from pydantic import Field

from harness.errors import UserError
from harness.registry.descriptors import MethodDescriptor, Options
from harness.registry.distribution import PluginDistribution
from harness.registry.options import validate_options
from harness.registry.plugin import Plugin
from harness.spec.pipeline import parse_pipeline


class AlphaOptions(Options):
    distance: Literal["l1", "l2"] = "l2"
    steps: int = Field(default=1, ge=1)
    width: int | Literal["auto"] = "auto"
    layers: list[str] = []


PLUGIN = Plugin(
    MethodDescriptor(name="alpha", summary="", implementation="x:Y", family="pruning", options=AlphaOptions),
    PluginDistribution("dist-a", "1.0"),
    "bench.methods",
    "alpha",
)


def test_options_of_a_written_call():
    call = parse_pipeline("alpha@0.5(steps=3;layers=a,b)").steps[0].calls[0]
    assert validate_options(PLUGIN, call.options) == AlphaOptions(steps=3, layers=["a", "b"])
    assert validate_options(PLUGIN, {}) == AlphaOptions()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            {"distnce": "l1"},
            "--methods alpha: distnce: unknown option\n"
            "  did you mean 'distance'? options of alpha: distance, layers, steps, width",
        ),
        (
            {"distance": "L1"},
            "--methods alpha: distance: 'L1' is not one of l1, l2\n  did you mean 'l1'?",
        ),
        ({"steps": 0}, "--methods alpha: steps: 0 is not greater than or equal to 1"),
        ({"layers": ["a", 1]}, "--methods alpha: layers[1]: 1 is not a valid string"),
        (
            {"width": "x"},
            "--methods alpha: width: 'x' is not a valid integer, unable to parse string as an integer; or",
        ),
    ],
)
def test_a_wrong_option(options, told):
    with pytest.raises(UserError) as caught:
        validate_options(PLUGIN, options, "--methods alpha")
    assert str(caught.value).startswith(told)


def test_several_wrong_options_are_told_together():
    with pytest.raises(UserError) as caught:
        validate_options(PLUGIN, {"steps": 0, "stps": 1})
    lines = str(caught.value).split("\n")
    assert lines[0] == "alpha: 2 options are wrong:"
    assert lines[1] == "  steps: 0 is not greater than or equal to 1"
    assert lines[2].startswith("  stps: unknown option; did you mean 'steps'?")
