"""What a plan adds beside its candidates: the controls that their methods name."""

import pytest
from installation import install
from invented_plugins import invented_registry

from harness.errors import UserError
from harness.plan.plan import make_plan
from harness.spec.benchmark import Benchmark

RIVALS = """
from harness.registry import MethodDescriptor
common = {"summary": "", "implementation": "", "family": "pruning", "axis": "ratio", "default_recovery": "tune"}
SHARP = MethodDescriptor(name="sharp", controls=("prune", "prune+tune+tune", "tune"), **common)
DULL = MethodDescriptor(name="dull", controls=("prune", "peel@0.9+nothing"), **common)
LONELY = MethodDescriptor(name="lonely", controls=("absent", "round", "prune@", "tune", "prune(steps=x)"), **common)
COARSE = MethodDescriptor(name="coarse", controls=("round", "tune"), **{**common, "axis": "precision"})
AIMING = MethodDescriptor(name="aiming", controls=("sharp", "prune"), ratio_targets=("macs",), **common)
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    names = ("sharp", "dull", "lonely", "coarse", "aiming")
    install(folder, "rivals", {"bench.methods": {name: f"rivals:{name.upper()}" for name in names}}, rivals=RIVALS)
    (folder / "rivals-1.0.dist-info" / "RECORD").write_text("rivals.py,,\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield invented_registry(folder)


def plan(registry, **keys):
    return make_plan(Benchmark.model_validate({"name": "test", **keys}), registry)


def roles(made):
    return [(str(planned.cell.pipeline), planned.cell.role) for planned in made.cells]


def controls(made):
    return [pipeline for pipeline, role in roles(made) if role == "control"]


def test_they_take_the_setting_and_default_recoveries_and_come_once_behind_the_candidates(registry):
    assert roles(plan(registry, methods=["sharp", "dull"], ratios=[0.2, 0.5])) == [
        ("sharp@0.2+tune", "candidate"),
        ("sharp@0.5+tune", "candidate"),
        ("dull@0.2+tune", "candidate"),
        ("dull@0.5+tune", "candidate"),
        ("prune@0.2+tune", "control"),
        ("prune@0.2+tune+tune", "control"),
        ("tune", "control"),
        ("prune@0.5+tune", "control"),
        ("prune@0.5+tune+tune", "control"),
        ("peel@0.9+nothing", "control"),
    ]


def test_a_bare_control_is_recovered_as_its_candidate_is(registry):
    """So that what differs is the choice of channels alone; a control with recoveries of its own keeps them."""
    made = plan(registry, pipelines=["sharp@0.5+nothing", "sharp@0.5+tune+nothing"])
    assert controls(made) == ["prune@0.5+nothing", "prune@0.5+tune+tune", "tune", "prune@0.5+tune+nothing"]


def test_every_model_and_seed_has_them_and_no_stage_of_a_candidate_changes(registry):
    keys = {"methods": ["sharp"], "ratios": [0.5], "models": ["net", "wide_net"], "seeds": [0, 1]}
    with_them, without = plan(registry, **keys), plan(registry, controls=[], **keys)
    assert len(with_them.cells) == 4 * 4
    assert {planned.cell.name: planned.stages for planned in without.cells} == {
        planned.cell.name: planned.stages for planned in with_them.cells if planned.cell.role == "candidate"
    }


def test_a_precision_is_taken_as_a_ratio_is(registry):
    made = plan(registry, methods=["coarse"], precisions=["int8", "w4a8"])
    assert controls(made) == ["round@int8+tune", "tune", "round@w4a8+tune"]


def test_a_candidate_that_is_a_control_too_stays_a_candidate(registry):
    made = plan(registry, methods=["sharp", "prune"], pipelines=["tune"], ratios=[0.5])
    assert dict(roles(made))["prune@0.5+tune"] == dict(roles(made))["tune"] == "candidate"
    assert controls(made) == ["prune@0.5+tune+tune"]


def test_those_of_a_pipeline_are_those_of_its_first_step(registry):
    made = plan(registry, pipelines=["dull@0.25+nothing+sharp@0.5"])
    assert controls(made) == ["prune@0.25+tune", "peel@0.9+nothing"]
    assert controls(plan(registry, pipelines=["tune+sharp@0.5"])) == []


def test_a_list_stands_for_itself_and_an_empty_one_for_none(registry):
    assert controls(plan(registry, methods=["sharp"], controls=["peel"], ratios=[0.5])) == ["peel@0.5+tune"]
    assert controls(plan(registry, methods=["sharp"], controls=[], ratios=[0.5])) == []


def test_what_cannot_be_drawn_is_left_out_by_name_and_said_once(registry):
    made = plan(registry, methods=["lonely"], ratios=[0.2, 0.5])
    assert controls(made) == ["tune"]
    absent, other_axis, misspelt, no_option = sorted(set(made.controls_left_out))
    assert absent == "control absent (of lonely) is left out: unknown method 'absent'"
    assert misspelt.startswith("control prune@ (of lonely) is left out: controls of method lonely: expected a setting")
    assert other_axis.startswith("control prune(steps=x) (of lonely) is left out: ")
    assert no_option == "control round (of lonely) is left out: round: method round needs a precision"
    assert len(made.controls_left_out) == 4


def test_a_control_that_cannot_aim_at_what_the_candidate_does_is_left_out(registry):
    made = plan(registry, methods=["aiming"], ratios=[0.5], ratio_of="macs")
    assert controls(made) == ["prune@0.5+tune"]
    assert made.controls_left_out == (
        "control sharp (of aiming) is left out: --ratio-of macs: method sharp cannot aim at it",
    )


def test_exclusions_drop_controls_and_what_they_drop_brings_none(registry):
    keys = {"methods": ["sharp", "dull"], "ratios": [0.2, 0.5], "seeds": [0, 1]}
    rules = [{"method": "sharp", "ratio": 0.2}, {"method": "sharp", "seed": 1}, {"method": "dull"}, {"ratio": 0.9}]
    made = plan(registry, exclude=rules, **keys)
    assert {planned.cell.seed for planned in made.cells} == {0}
    assert controls(made) == ["prune@0.5+tune", "prune@0.5+tune+tune", "tune"]
    assert "prune@0.5+tune" not in controls(plan(registry, exclude=[*rules, {"method": "prune"}], **keys))
    with pytest.raises(UserError, match="drop every cell"):
        plan(registry, exclude=[{"method": ["sharp", "dull"]}], **keys)
