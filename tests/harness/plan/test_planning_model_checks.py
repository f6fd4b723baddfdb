import pytest

from harness.errors import UserError
from harness.plan.model_check import RATIOS, plan_model_checks
from harness.registry import discover


@pytest.fixture
def plan(tmp_path):
    def made(*models, methods=("l2",), **settings):
        asked = {"task": None, "dataset": None, "protect": (), "threads": 1, "disabled": (), "work": tmp_path}
        return plan_model_checks(models, methods, discover(), **{**asked, **settings})

    return made


def test_every_model_has_a_job_and_every_method_a_trial(plan):
    jobs = plan("unet", "residual_fcn", "unet", methods=("l2", "fpgm@0.4(allocation=global)"))
    assert [job.model for job in jobs] == ["unet", "residual_fcn"]
    assert jobs[0].work != jobs[1].work
    first, second = jobs[0].trials
    assert (first.text, first.settings) == ("l2", RATIOS)
    assert (second.text, second.settings) == ("fpgm(allocation=global)", (0.4,))
    assert second.fields.parameters["method"]["options"]["allocation"] == "global"
    assert first.fields.parameters["model"]["name"] == "unet"
    assert first.fields.plugins["method"]["distribution"] == "bench-pruning"
    assert jobs[0].stage(first).work == jobs[0].work


def test_protection_becomes_an_option(plan):
    (job,) = plan("unet", protect=("backbone", "decode_head"))
    assert job.trials[0].fields.parameters["method"]["options"]["protect"] == ["backbone", "decode_head"]


def test_a_config_file_is_known_by_where_it_is_and_what_it_says(plan, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text("model = {}")
    (job,) = plan("mine.py")
    stated = job.trials[0].fields.parameters["model"]
    assert (job.model, stated["name"], stated["member"]) == ("mine.py", "mmseg", str(tmp_path / "mine.py"))
    (tmp_path / "mine.py").write_text("model = {1: 2}")
    assert plan("mine.py")[0].trials[0].fields.parameters["model"]["content"] != stated["content"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"models": ["unt"]}, "did you mean 'unet'"),
        ({"models": ["no/such.py"]}, "there is no such config file"),
        ({"methods": ["l3"]}, "unknown method 'l3'"),
        ({"methods": ["finetune"]}, "finetune is a recovery"),
        ({"methods": ["l2@0.5+none"]}, "is a pipeline, not a method"),
        ({"methods": ["l2(alocation=global)"]}, "allocation"),
        ({"methods": ["l2@int8"]}, "is not a ratio"),
        ({"methods": ["l2@1.5"]}, "is not a ratio"),
        ({"dataset": "digit"}, "digits"),
        ({"task": "segmentatoin"}, "segmentation"),
    ],
)
def test_mistakes_are_found_before_any_worker_starts(plan, asked, message):
    with pytest.raises(UserError, match=message):
        plan(*asked.pop("models", ["unet"]), **asked)
