"""How answers are shown; the answers are invented."""

import json

import pytest

from harness.cli.check_report import gist
from harness.store.failure import Failure
from harness.store.model_check import (
    CheckedMethod,
    CheckedSetting,
    Findings,
    FixedPart,
    ModelCheck,
    Verdict,
    verdict_of,
)

VIEW = "View in `backbone.{0}` on [1, 6{0}, 8, 8] cuts a dimension"
LINEAR = FixedPart(module="head.classifier", reason="it reaches an output of the network", by_design=True)
PINNED = tuple(FixedPart(module=f"backbone.{n}", reason=VIEW.format(n), by_design=False) for n in range(4))


def method(*pinned, failure=None, notes=()):
    findings = Findings(
        groups=3, channels=40, prunable_channels=30, removable={"channels": 0.7, "params": 0.9, "macs": 0.8},
        layers=("backbone.9",), pinned=(*pinned, LINEAR), protected=("neck",), mixing={"stem": "LayerNorm"},
        notes=notes,
    )  # fmt: skip
    checks = (Verdict(name="masked_equals_physical", verdict="fail" if failure else "pass"),)
    tried = CheckedSetting(setting=0.3, params=50, params_left=0.5, macs_left=0.4, checks=checks, failure=failure)
    return CheckedMethod(
        method="l2", status="fails" if failure else "works", traced=True, failure=failure, findings=findings,
        settings=(tried,),
    )  # fmt: skip


def made(name, *methods, failure=None):
    failure = failure or next((method.failure for method in methods if method.failure), None)
    return ModelCheck(
        model=name, task="segmentation", dataset="digits", status="fails" if failure else "works",
        verdict=verdict_of(failure, methods), built=True, input_size=(64, 64), params=1_500_000, macs=2_000_000_000,
        failure=failure, methods=methods, cpu_seconds=4.2,
    )  # fmt: skip


FAILED = Failure(kind="trace_error", message="the forward pass failed in `a`", hint="Three ways on: ...")


@pytest.fixture
def check(bench, monkeypatch):
    """Runs the command with answers instead of workers."""
    monkeypatch.setenv("COLUMNS", "160")

    def run(*answers, arguments=()):
        monkeypatch.setattr("harness.execution.model_check.check_models", lambda *_: iter(answers))
        return bench("check", *(["residual_fcn", "unet"][: len(answers)]), *arguments)

    return run


def test_one_model_is_shown_in_detail(check):
    result = check(made("residual_fcn", method(*PINNED, notes=("pinned `x`: it fails",))))
    assert result.exit_code == 0
    for text in (
        "residual_fcn (segmentation, digits 64x64)", "works, 4 layers pinned", "1.50 M parameters, 2.000 G MACs",
        "3 groups; 30 of 40 channels (75%) can go; at most 70% of channels, 90% of params, 80% of macs", "1 passed",
        "pinned: 4 layers", "  4x View in `backbone.0` on [1, 60, 8, 8] cuts a dimension  (backbone.0, backbone.1, ",
        "outputs: 1 layer", "protected: 1 layer: neck", "in 1 groups: stem", "note: pinned `x`: it fails",
    ):  # fmt: skip
        assert text in result.output
    assert "backbone.3" not in result.output
    verbose = check(made("residual_fcn", method(*PINNED)), arguments=["--verbose"])
    assert "backbone.3: View in `backbone.3` on [1, 63, 8, 8]" in verbose.output


def test_several_models_make_a_table_and_failures_are_told_below(check):
    result = check(made("residual_fcn", method()), made("unet", failure=FAILED))
    assert result.exit_code == 1
    assert "1 of 2 models work." in result.output
    table, _, below = result.output.partition("1 of 2 models work.")
    assert "fails: trace_error" in table
    assert "the forward pass failed in `a`" in below
    assert "Three ways on" in below


def test_a_failing_check_is_named(check):
    failure = Failure(kind="check_failed", message="masked", hint="Protect it.")
    result = check(made("unet", method(failure=failure)))
    assert result.exit_code == 1
    assert "failed: masked_equals_physical" in result.output
    assert "check_failed: masked" in result.output


def test_json_is_the_schema_and_nothing_else(check):
    result = check(made("residual_fcn", method()), arguments=["--json"])
    found = json.loads(result.stdout)
    assert (found["schema_version"], found["status"]) == (1, "works")
    assert found["models"][0]["methods"][0]["settings"][0]["params_left"] == 0.5
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("count", "verdict"), [(0, "works"), (1, "works, 1 layer pinned"), (4, "works, 4 layers pinned")]
)
def test_the_verdict_counts_layers_that_are_not_outputs(count, verdict):
    both = (method(*PINNED[:count]), method(*PINNED[:count]))
    assert verdict_of(None, both) == verdict


def test_reasons_that_differ_in_place_and_shape_are_one():
    assert len({gist(pin.reason) for pin in PINNED}) == 1
    assert gist(LINEAR.reason) == LINEAR.reason
