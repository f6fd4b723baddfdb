"""The section `oracle`, in files and as flags."""

import pytest

from harness.cli.options import grid_flags
from harness.errors import UserError
from harness.spec.benchmark import Benchmark, Oracle
from harness.spec.benchmark_file import override

GIVEN = dict.fromkeys(
    (
        "task", "models", "datasets", "methods", "ratios", "ratio_of", "precisions", "pipelines", "controls", "seeds",
        "protocol", "deterministic", "protect", "no_controls", "oracle_samples", "oracle_layers",
    )
)  # fmt: skip
FILE = Benchmark.model_validate({"oracle": {"samples": 8, "batch_size": 2}})


def flagged(benchmark, assignments=(), **given):
    return override(benchmark, grid_flags({**GIVEN, **given}), assignments).oracle


def test_there_is_none_by_default_and_its_keys_have_defaults():
    assert Benchmark().oracle is None
    assert flagged(Benchmark()) is None
    assert Benchmark.model_validate({"oracle": {}}).oracle == Oracle(samples=16, layers=(), max_channels=64)


def test_flags_ask_for_one_and_keep_what_the_file_says():
    assert flagged(Benchmark(), oracle_samples=4) == Oracle(samples=4)
    assert flagged(FILE) == Oracle(samples=8, batch_size=2)
    assert flagged(FILE, oracle_samples=4) == Oracle(samples=4, batch_size=2)
    assert flagged(FILE, oracle_layers="a, b.*") == Oracle(samples=8, batch_size=2, layers=("a", "b.*"))


def test_zero_switches_it_off_in_a_file_and_as_a_flag():
    assert Benchmark.model_validate({"oracle": {"samples": 0}}).oracle is None
    assert flagged(FILE, oracle_samples=0) is None
    assert flagged(FILE, oracle_samples=0, oracle_layers="a") is None
    assert flagged(FILE, ["oracle.samples=2"], oracle_samples=0).samples == 2


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"samples": -1}, "oracle.samples"),
        ({"samples": False}, "oracle.samples"),
        ({"max_channels": 0}, "oracle.max_channels"),
        ({"layer": "a"}, "oracle.layer"),
    ],
)
def test_a_wrong_value_is_told_by_its_key(section, told):
    assignments = [f"oracle.{key}={str(value).lower()}" for key, value in section.items()]
    with pytest.raises(UserError, match=f"--set {told}"):
        override(Benchmark(), {}, assignments)


def test_what_was_written_is_written_again():
    made = override(FILE, grid_flags({**GIVEN, "oracle_samples": 0}))
    assert made.written() == {"oracle": None}
    assert Benchmark.model_validate(FILE.written()) == FILE
