"""`bench list`: what is installed, and what its options are."""

import json
from types import SimpleNamespace
from typing import Literal

import pytest
from pydantic import Field

from harness.cli.option_table import options_of
from harness.errors import UserError
from harness.registry import Options, discover


class Sample(Options):
    needed: int = Field(ge=1, lt=9, description="Must be written.")
    mode: Literal["a", "b"] = "a"
    share: float | None = None
    names: tuple[str, ...] = ("x", "y")
    flag: bool = True


class Found:
    """A registry of one method that could be loaded and one that could not."""

    def entries(self, group):
        entry = SimpleNamespace(name="alpha", distribution="dist", descriptor=SimpleNamespace(options=Sample))
        broken = SimpleNamespace(name="beta", distribution="dist", descriptor=None, error="ImportError: x")
        return [entry, broken] if group == "bench.methods" else []


def test_options_have_types_limits_defaults_and_meanings():
    (plugin,) = options_of("alpha", Found())
    assert (plugin["kind"], plugin["name"], plugin["distribution"]) == ("method", "alpha", "dist")
    rows = {row["option"]: (row["type"], row["default"], row["required"]) for row in plugin["options"]}
    assert rows == {
        "needed": ("integer >= 1, < 9", None, True),
        "mode": ("a | b", "a", False),
        "share": ("number | none", None, False),
        "names": ("list of string", ["x", "y"], False),
        "flag": ("boolean", True, False),
    }
    assert plugin["options"][0]["meaning"] == "Must be written."


def test_a_plugin_that_cannot_be_loaded_says_why():
    with pytest.raises(UserError, match="'beta' cannot be loaded: ImportError: x"):
        options_of("beta", Found())


def test_the_table_says_what_can_be_written(bench, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    result = bench("list", "--options", "fpgm")
    assert result.exit_code == 0
    assert "method fpgm of bench-pruning" in result.output
    assert "uniform | global" in result.output
    assert "integer >= 1" in result.output


def test_a_method_says_where_it_comes_from_and_how_near_it_is_to_that(bench):
    (plugin,) = json.loads(bench("list", "--options", "sirfp", "--json").output)
    assert plugin["source"]["fidelity"] == "adapted"
    assert "AAAI 2025" in plugin["source"]["paper"]
    assert plugin["needs"] == ["forward", "gradients", "samples", "weights"]
    told = " ".join(bench("list", "--options", "sirfp").output.split())
    assert "source: Wu et al." in told
    assert "adapted: Kept channels of layers that share none equal an independent computation" in told
    (random,) = json.loads(bench("list", "--options", "random", "--json").output)
    assert random["source"] is None


def test_options_as_json(bench):
    (plugin,) = json.loads(bench("list", "--options", "l1", "--json").output)
    assert {"option": "round_to", "type": "integer >= 1", "default": 1, "required": False}.items() <= next(
        row for row in plugin["options"] if row["option"] == "round_to"
    ).items()


def test_a_plugin_without_options_says_so(bench):
    told = " ".join(bench("list", "--options", "none").output.split())
    assert "method none of bench-recovery has no options." in told


def test_a_mistyped_name_gets_a_suggestion():
    with pytest.raises(UserError, match="called 'fpmg'") as caught:
        options_of("fpmg", discover())
    assert "'fpgm'" in caught.value.hint
