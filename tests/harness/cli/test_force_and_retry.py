"""`--force`, `--no-skip-existing` and `--retry`."""

import json
from typing import get_args

import pytest
from cells import make_stage

from harness.cli.force import force_rule
from harness.cli.retry import retry_rule
from harness.errors import UserError
from harness.store.failure import Failure, FailureKind
from harness.store.stage import StageKind

KINDS = get_args(StageKind)
STAGES = {kind: make_stage(kind, kind) for kind in KINDS}


@pytest.mark.parametrize(
    ("text", "skip_existing", "forced"),
    [
        ("measure", True, {"measure"}),
        ("evaluate, measure", True, {"evaluate", "measure"}),
        ("all", True, set(KINDS)),
        ("measure,all", True, set(KINDS)),
        (None, False, set(KINDS)),
        ("measure", False, set(KINDS)),
    ],
)
def test_forced_stages(text, skip_existing, forced):
    rule = force_rule(text, skip_existing=skip_existing)
    assert {kind for kind, stage in STAGES.items() if rule(stage)} == forced


@pytest.mark.parametrize("text", [None, "", ","])
def test_nothing_is_forced_unasked(text):
    assert force_rule(text, skip_existing=True) is None


@pytest.mark.parametrize(("text", "meant"), [("measur", "measure"), ("alle", "all"), ("train,recovr", "recover")])
def test_an_unknown_stage_names_what_comes_close(text, meant):
    with pytest.raises(UserError, match="is not a stage") as raised:
        force_rule(text, skip_existing=False)
    assert f"did you mean {meant!r}" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "kinds", "interrupted"),
    [
        ("interrupted", set(), True),
        ("none", set(), False),
        ("all", set(get_args(FailureKind)), True),
        ("oom", {"oom"}, True),
        ("oom, timeout", {"oom", "timeout"}, True),
        ("interrupted,oom", {"oom"}, True),
        ("", set(), True),
    ],
)
def test_what_is_tried_again(text, kinds, interrupted):
    rule = retry_rule(text)
    tried = {kind for kind in get_args(FailureKind) if rule.failed(Failure(kind=kind, message="x"))}
    assert (tried, rule.interrupted) == (kinds, interrupted)


@pytest.mark.parametrize(
    ("text", "meant"), [("ooom", "oom"), ("interupted", "interrupted"), ("nnone", "none"), ("oom,time_out", "timeout")]
)
def test_an_unknown_kind_names_what_comes_close(text, meant):
    with pytest.raises(UserError, match="is not a kind of failure") as raised:
        retry_rule(text)
    assert repr(meant) in raised.value.hint


@pytest.mark.parametrize("text", ["none,oom", "oom,all", "none,all"])
def test_none_and_all_stand_alone(text):
    with pytest.raises(UserError, match="stands alone") as raised:
        retry_rule(text)
    assert "oom" in raised.value.hint


def planned(bench, folder, *flags):
    result = bench("plan", folder.layout.benchmark, "--out", folder.layout.root, "--json", *flags)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [
        ([], []),
        (["--force", "measure"], ["measure"]),
        (["--force", "evaluate"], ["evaluate", "evaluate", "evaluate"]),
        (["--force", "recover"], ["recover", "evaluate", "measure"]),
    ],
)
def test_the_plan_shows_what_is_forced_and_what_starts_from_it(bench, run_folder, flags, kinds):
    run_folder.complete(*run_folder.cells)
    cells = planned(bench, run_folder, *flags)["cells"]
    for cell in cells:
        assert [stage["kind"] for stage in cell["stages"]] == kinds
        assert (cell["action"], cell["reason"]) == (("run", "forced (complete)") if kinds else ("keep", "complete"))


@pytest.mark.parametrize("flags", [["--no-skip-existing"], ["--force", "all"]])
def test_everything_can_be_forced(bench, run_folder, flags):
    run_folder.complete(*run_folder.cells)
    made = planned(bench, run_folder, *flags)
    assert made["stages_to_run"] == made["stages"] == 13


def test_the_plan_shows_what_is_retried(bench, run_folder):
    run_folder.fail(run_folder.cells[0].points[1].made)
    assert planned(bench, run_folder)["cells"][0]["reason"] == "compress l1@0.2 failed before: oom (--retry oom)"
    for kind in ("oom", "all"):
        cell = planned(bench, run_folder, "--retry", kind)["cells"][0]
        assert (cell["action"], cell["reason"]) == ("run", "tried again: compress l1@0.2: oom: too big")
    assert planned(bench, run_folder, "--retry", "timeout")["cells"][0]["action"] == "skip"


def test_an_interrupted_stage_is_continued_unless_nothing_is_retried(bench, run_folder):
    train = run_folder.cells[0].stages[0]
    run_folder.layout.work(train.kind, train.identity).mkdir(parents=True)
    assert planned(bench, run_folder)["stages_to_run"] == 13
    held_up = planned(bench, run_folder, "--retry", "none")
    assert held_up["stages_to_run"] == 0, "nothing can start without the training"
    assert [cell["action"] for cell in held_up["cells"]] == ["skip", "skip"]
