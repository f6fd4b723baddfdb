"""Plans over the installed first-party plugins: which cells, which stages, what is shared."""

import gc
from collections import Counter

import pytest

from harness.errors import UserError
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark import Benchmark


@pytest.fixture(scope="module")
def registry():
    return discover()


def plan(registry, **keys):
    return make_plan(Benchmark.model_validate({"name": "test", "controls": [], **keys}), registry)


def pipelines(made):
    return [str(planned.cell.pipeline) for planned in made.cells]


def kinds(made):
    return Counter(stage.kind for stage in made.stages)


def test_methods_times_ratios_on_the_demo_model_and_data_set(registry):
    made = plan(registry, methods=["fpgm", "l1"], ratios=[0.2, 0.5])
    assert pipelines(made) == [f"{method}@{ratio}+finetune" for method in ("fpgm", "l1") for ratio in (0.2, 0.5)]
    assert {(planned.cell.model, planned.cell.dataset) for planned in made.cells} == {("residual_fcn", "digits")}


def test_stages_are_shared_and_behind_their_inputs(registry):
    made = plan(registry, methods=["fpgm", "l1"], ratios=[0.2, 0.5])
    assert kinds(made) == {"train": 1, "prepare": 2, "compress": 4, "recover": 4, "evaluate": 9, "measure": 4}
    seen = set()
    for stage in made.stages:
        assert {source.identity for _, source in stage.inputs} <= seen
        assert dict(stage.fields.inputs) == {role: source.identity for role, source in stage.inputs}
        seen.add(stage.identity)


def test_another_seed_shares_nothing_and_another_model_neither(registry):
    one = plan(registry, methods=["l1"], ratios=[0.5])
    assert kinds(plan(registry, methods=["l1"], ratios=[0.5], seeds=[0, 1])) == {
        k: 2 * n for k, n in kinds(one).items()
    }
    two_models = plan(registry, methods=["l1"], ratios=[0.5], models=["residual_fcn", "unet"])
    assert kinds(two_models) == {kind: 2 * number for kind, number in kinds(one).items()}


def test_an_option_written_out_at_its_default_changes_no_identity(registry):
    plain = plan(registry, methods=["fpgm"], ratios=[0.5])
    written = plan(registry, methods=["fpgm(allocation=uniform)"], ratios=[0.5])
    assert [stage.identity for stage in plain.stages] == [stage.identity for stage in written.stages]
    other = plan(registry, methods=["fpgm(allocation=global)"], ratios=[0.5])
    assert [stage.identity for stage in plain.stages] != [stage.identity for stage in other.stages]


def test_the_recovery_budget_reaches_recoveries_and_what_follows_and_nothing_else(registry):
    short = plan(registry, methods=["l1"], ratios=[0.5], recovery={"iterations": 10})
    long = plan(registry, methods=["l1"], ratios=[0.5], recovery={"iterations": 20})
    same = {s.label for s in short.stages} - {
        s.label for s, t in zip(short.stages, long.stages, strict=True) if s.identity != t.identity
    }
    assert same == {"train residual_fcn", "evaluate baseline", "prepare l1", "compress l1@0.5", "evaluate l1@0.5"}


def test_how_it_is_run_is_in_no_identity_but_that_of_measure(registry):
    benchmark = Benchmark.model_validate({"methods": ["l1"], "controls": [], "ratios": [0.5]})
    cpu, gpu = (make_plan(benchmark, registry, device=device) for device in ("cpu", "cuda"))
    changed = {s.kind for s, t in zip(cpu.stages, gpu.stages, strict=True) if s.identity != t.identity}
    assert changed == {"measure"}


def test_measurement_options_reach_measure_alone(registry):
    one = plan(registry, methods=["l1"], ratios=[0.5])
    other = plan(registry, methods=["l1"], ratios=[0.5], measurement={"rounds": 7})
    changed = {s.kind for s, t in zip(one.stages, other.stages, strict=True) if s.identity != t.identity}
    assert changed == {"measure"}


def test_two_compressors_start_from_each_other(registry):
    made = plan(registry, pipelines=["l1@0.2+none+fpgm@0.5"])
    (planned,) = made.cells
    assert [point.step for point in planned.points] == ["baseline", "l1@0.2", "fpgm@0.5", "finetune"]
    second = planned.points[2].made
    assert dict(second.inputs)["model"] == planned.points[1].made
    assert dict(planned.measured.inputs) == {"candidate": planned.points[3].made, "baseline": planned.points[0].made}


def test_controls_are_marked_and_never_stand_in_for_a_candidate(registry):
    made = plan(registry, methods=["random"], controls=["random", "l2"], ratios=[0.5])
    assert [(planned.cell.method, planned.cell.role) for planned in made.cells] == [
        ("random", "candidate"),
        ("l2", "control"),
    ]


def test_a_list_of_values_is_a_matrix_and_exclusions_drop_cells(registry):
    made = plan(
        registry,
        methods=[{"l1": {"allocation": ["uniform", "global"], "round_to": [1, 8]}}],
        ratios=[0.2, 0.5],
        exclude=[{"ratio": 0.2}],
    )
    assert len(made.cells) == 4
    assert {planned.cell.setting for planned in made.cells} == {0.5}


def test_methods_without_an_axis_run_once(registry):
    made = plan(registry, methods=["finetune", "l1"], ratios=[0.2, 0.5])
    assert pipelines(made) == ["finetune", "l1@0.2+finetune", "l1@0.5+finetune"]


def test_limit_takes_the_first_cells(registry):
    benchmark = Benchmark.model_validate({"methods": ["l1", "l2"], "ratios": [0.5]})
    assert pipelines(make_plan(benchmark, registry, limit=1)) == ["l1@0.5+finetune"]


def test_cell_names_are_unique_across_what_may_differ(registry):
    made = plan(
        registry,
        models=["residual_fcn", "unet"],
        methods=["l1", "l1(allocation=global)"],
        ratios=[0.2, 0.5],
        seeds=[0, 1],
    )
    names = [planned.cell.name for planned in made.cells]
    assert len(set(names)) == len(names) == 16


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"pipelines": ["none&finetune"]}, "cannot be joined"),
        (
            {"methods": ["l1"], "ratios": [0.5], "datasets": [{"name": "digits", "size": s} for s in (32, 64)]},
            "listed twice",
        ),
        ({"pipelines": ["l1@int8"]}, "not a ratio"),
        ({"methods": ["l1"], "ratios": [0.5], "datasets": [{"name": "digits", "sise": 32}]}, "sise"),
        ({"methods": ["l1"], "ratios": [0.5], "task": "segmentation", "datasets": ["nowhere"]}, "nowhere"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_runs(registry, keys, expected):
    with pytest.raises(UserError) as raised:
        plan(registry, **keys)
    assert expected in str(raised.value)


def test_planning_leaves_the_garbage_collector_as_it_was(registry):
    with pytest.raises(UserError):
        plan(registry, pipelines=["l1@int8"])
    assert gc.isenabled()
    gc.disable()
    try:
        plan(registry, methods=["l1"], ratios=[0.5])
        assert not gc.isenabled()
    finally:
        gc.enable()
