"""The check in this process, with methods that go wrong."""

import pytest

from harness.engine.model_check import check_model, method
from harness.engine.workbench import load_compressor
from harness.errors import CheckFailedError
from harness.execution.model_check import check_failure
from harness.plan.model_check import plan_model_checks
from harness.registry import Check, discover


@pytest.fixture
def check(tmp_path):
    def run(model="unet", methods=("l2@0.5",), **settings):
        asked = {"task": None, "dataset": None, "protect": (), "threads": 1, "disabled": (), "work": tmp_path}
        (job,) = plan_model_checks([model], methods, discover(), **{**asked, **settings})
        job.work.mkdir()
        told = []
        return check_model(job, lambda done, total, text: told.append((done, total, text)), check_failure), told

    return run


@pytest.fixture
def spoiled(monkeypatch):
    """Lets the compressor's `compress` return something else."""

    def spoil(change):
        def load(bench):
            compressor = load_compressor(bench)
            compress = compressor.compress
            compressor.compress = lambda *given: change(compress(*given))
            return compressor

        monkeypatch.setattr(method, "load_compressor", load)

    return spoil


def test_what_works_is_described_and_progress_told(check):
    found, told = check()
    (tried,) = found.methods
    assert (found.verdict, tried.findings.groups > 5, tried.failure) == ("works", True, None)
    assert tried.settings[0].params_left == pytest.approx(0.25, abs=0.01)
    assert [text for *_, text in told] == ["building", "l2: tracing, trying", "l2 at 0.5"]
    assert all(done <= total for done, total, _ in told)
    assert [done for done, *_ in told] == sorted(done for done, *_ in told)


def test_a_method_that_searches_prepares_once_for_every_target(check, monkeypatch):
    keys = []

    def load(bench):
        compressor = load_compressor(bench)
        prepare = compressor.prepare

        def noted(model, context):
            keys.append(context.prepare_key)
            return prepare(model, context)

        compressor.prepare = noted
        return compressor

    monkeypatch.setattr(method, "load_compressor", load)
    found, _ = check(model="residual_fcn", methods=("dmcp", "l2"))
    assert found.verdict == "works"
    assert keys == [0.3, 0.5, 0.7, None]
    searched = found.methods[0].settings
    assert [setting.setting for setting in searched] == [0.3, 0.5, 0.7]
    assert searched[0].params_left > searched[1].params_left > searched[2].params_left


def test_nothing_is_left_in_the_work_folder(check, tmp_path):
    check()
    assert list((tmp_path / "0").iterdir()) == []


def test_one_failing_setting_does_not_stop_the_others(check, spoiled):
    def change(compression):
        if compression.achieved["channels"] < 0.4:
            compression.checks.append(Check(name="invented", verdict="fail", detail="by design"))
        return compression

    spoiled(change)
    found, _ = check(methods=("l2",))
    settings = found.methods[0].settings
    assert [tried.failure is None for tried in settings] == [False, True, True]
    assert found.failure.kind == CheckFailedError.kind
    assert found.verdict == "fails: check_failed: the compressed model is not what it should be: invented: by design"
    assert settings[0].params_left is not None, "its checks and figures are there"
    assert "--protect" in found.failure.hint


def test_an_artifact_that_rebuilds_another_model_is_found_out(check, spoiled):
    def change(compression):
        compression.transforms.clear()
        return compression

    spoiled(change)
    found, _ = check()
    assert found.failure.kind == "shape_mismatch"


def test_a_model_that_cannot_be_built(check, tmp_path):
    (tmp_path / "broken.py").write_text("model = dict(type='NoSuchSegmentor')")
    found, _ = check(str(tmp_path / "broken.py"))
    assert (found.built, found.params, found.methods) == (False, None, ())
    assert found.verdict.startswith("fails: config_error: ")


def test_a_pattern_that_matches_nothing_says_what_comes_close(check):
    found, _ = check(protect=("backbon",))
    assert found.failure.kind == "config_error"
    assert "did you mean 'backbone'" in found.failure.hint
