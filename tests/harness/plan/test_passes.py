"""Compressors that get there in several passes: what is drawn, what is shared, what each part may spend."""

from fractions import Fraction

import pytest
from cells import complete
from invented_plugins import invented_registry

from harness.errors import PluginError, UserError
from harness.execution.recording import Recorder
from harness.execution.standing import Standings
from harness.execution.states import read_states
from harness.plan.identity import CommonFields
from harness.plan.plan import make_plan
from harness.registry import MethodDescriptor
from harness.spec.benchmark import Benchmark
from harness.store.failure import Failure
from harness.store.layout import Layout

EACH = 0.206299474016  # 1 - (1 - 0.5) ** (1 / 3)


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield invented_registry(folder)


def plan(registry, *pipelines, **keys):
    return make_plan(Benchmark.model_validate({"name": "test", "pipelines": list(pipelines), **keys}), registry)


def cell(registry, pipeline, **keys):
    (planned,) = plan(registry, pipeline, **keys).cells
    return planned


def identities(planned):
    return [stage.identity for stage in planned.stages]


def source_of(stage, role="model"):
    return dict(stage.inputs)[role]


def labels(planned, *kinds):
    return [stage.label for stage in planned.stages if stage.kind in kinds]


def test_each_pass_prepares_compresses_and_recovers_what_the_last_one_left(registry):
    planned = cell(registry, "peel@0.5(steps=3)")
    assert str(planned.cell.pipeline) == "peel@0.5(steps=3)+tune"
    assert [(point.step, point.kind) for point in planned.points] == [
        ("baseline", "baseline"),
        ("peel@0.5(steps=3) pass 1 of 3", "compress"),
        ("tune pass 1 of 3", "recover"),
        ("peel@0.5(steps=3) pass 2 of 3", "compress"),
        ("tune pass 2 of 3", "recover"),
        ("peel@0.5(steps=3) pass 3 of 3", "compress"),
        ("tune pass 3 of 3", "recover"),
    ]
    made = [point.made for point in planned.points]
    for before, compressed, recovered in zip(made[::2], made[1::2], made[2::2], strict=False):
        assert source_of(compressed) == source_of(source_of(compressed, "state")) == before
        assert source_of(recovered) == compressed
        assert compressed.fields.parameters["setting"] == EACH
    assert dict(planned.measured.inputs) == {"candidate": made[-1], "baseline": made[0]}


def test_stages_are_called_by_the_call_as_it_is_written_and_by_their_pass(registry):
    planned = cell(registry, "peel@0.5(steps=2)")
    name = "peel@0.5(steps=2) pass"
    assert labels(planned, "prepare") == ["prepare peel", f"prepare {name} 2 of 2"]
    assert labels(planned, "compress") == [f"compress {name} {number} of 2" for number in (1, 2)]
    assert labels(planned, "recover") == [f"recover tune after {name} {number} of 2" for number in (1, 2)]
    shown = [stage.label for stage in planned.stages]
    assert len(set(shown)) == len(shown)
    assert labels(cell(registry, "dig@0.5(steps=2)"), "prepare") == [
        f"prepare dig@0.5(steps=2) pass {number} of 2" for number in (1, 2)
    ], "what a method prepares for one setting is called by it"


@pytest.mark.parametrize("options", ["(steps=1)", "(mode=fast;steps=1)"])
def test_one_pass_is_what_it_would_be_without_the_option(registry, options):
    plain, written = cell(registry, "peel@0.5"), cell(registry, f"peel@0.5{options}")
    assert identities(plain) == identities(written)
    for stage in plain.stages:
        assert "steps" not in str(stage.fields)


def test_the_option_is_in_no_identity_and_others_are(registry):
    planned = cell(registry, "peel@0.5(mode=slow;steps=3)")
    methods = [stage.fields.parameters["method"] for stage in planned.stages if stage.kind in ("prepare", "compress")]
    assert len(methods) == 6
    assert all(method == {"name": "peel", "options": {"mode": "slow"}} for method in methods)


def test_an_option_that_is_merely_called_steps_belongs_to_its_method(registry):
    planned = cell(registry, "prune@0.5(steps=3)")
    assert [point.step for point in planned.points] == ["baseline", "prune@0.5(steps=3)", "tune"]
    assert planned.points[1].made.fields.parameters["method"]["options"]["steps"] == 3


def test_the_first_preparation_is_that_of_the_cells_of_one_pass(registry):
    made = plan(registry, "peel@0.5", "peel@0.5(steps=2)", "peel@0.3(steps=3)")
    first = {planned.prepared for planned in made.cells}
    assert len(first) == 1
    assert sum(stage.kind == "prepare" for stage in made.stages) == 1 + 1 + 2
    one, two, three = (planned.points[1].made for planned in made.cells)
    assert len({one, two, three}) == 3
    assert one.fields.parameters["setting"] == 0.5


def test_pipelines_share_the_passes_with_which_they_begin(registry):
    made = plan(registry, "peel@0.5(steps=2)", "peel@0.5(steps=2)+tune+prune@0.2", "peel@0.5(steps=2)+mimic")
    one, longer, other = made.cells
    assert one.points == longer.points[: len(one.points)]
    assert one.points[:2] == other.points[:2]
    assert one.points[2] != other.points[2]


def test_no_stage_of_a_pass_is_drawn_twice(registry, monkeypatch):
    drawn = []
    with_inputs = CommonFields.with_inputs
    monkeypatch.setattr(CommonFields, "with_inputs", lambda self, inputs: drawn.append(1) or with_inputs(self, inputs))
    keys = {"methods": ["peel", "peel(steps=2)", "peel(steps=3)"], "ratios": [0.2, 0.5], "seeds": [0, 1]}
    made = plan(registry, "peel@0.5(steps=3)+mimic", "peel@0.5(steps=3)+nothing", **keys)
    assert len(drawn) == len(made.stages)


def test_a_cell_in_a_grid_has_the_stages_that_it_has_alone(registry):
    grid = {"methods": ["peel", "peel(steps=3)", "dig(steps=2)"], "ratios": [0.2, 0.5], "models": ["net", "wide_net"]}
    for planned in plan(registry, "peel@0.5(steps=3)+mimic", **grid).cells:
        alone = cell(registry, str(planned.cell.pipeline), models=[planned.cell.model])
        assert identities(planned) == identities(alone)


@pytest.mark.parametrize(("iterations", "expected"), [(30, [10, 10, 10]), (32, [10, 10, 12]), (3, [1, 1, 1])])
def test_the_passes_spend_one_budget(registry, iterations, expected):
    keys = {"iterations": iterations, "batch_size": 2, "optimizer": {"lr": 0.5}, "schedule": {"type": "poly"}}
    whole = cell(registry, "peel@0.5", recovery=keys).points[2].made.fields.parameters["budget"]
    planned = cell(registry, "peel@0.5(steps=3)", recovery=keys)
    recovers = [point.made for point in planned.points if point.kind == "recover"]
    budgets = [stage.fields.parameters["budget"] for stage in recovers]
    assert budgets == [{**whole, "iterations": part} for part in expected]
    numbers = [stage.fields.parameters.get("pass") for stage in recovers]
    assert numbers == [None, 2, 3], "each sees other samples; the first those of a recovery in one pass"
    assert [stage.share for stage in recovers] == [Fraction(part, iterations) for part in expected]
    assert sum(stage.share for stage in recovers) == 1


def test_a_method_that_trains_may_spend_the_whole_budget_in_each_preparation(registry):
    planned = cell(registry, "dig@0.5(steps=2)", recovery={"iterations": 8})
    prepared = [stage for stage in planned.stages if stage.kind == "prepare"]
    assert [stage.fields.parameters["budget"]["iterations"] for stage in prepared] == [8, 8]
    recovers = [point.made for point in planned.points if point.kind == "recover"]
    assert [stage.fields.parameters["budget"]["iterations"] for stage in recovers] == [4, 4]


def test_a_budget_too_small_for_the_passes_is_refused(registry):
    with pytest.raises(UserError, match=r"peel@0.5\(steps=3\)\+tune: recovery.iterations: .*2 iterations.* 3 parts"):
        plan(registry, "peel@0.5(steps=3)", recovery={"iterations": 2})
    planned = cell(registry, "peel@0.5(steps=3)+nothing", recovery={"iterations": 2})
    assert len(planned.points) == 4, "nothing is spent, so nothing is split"


def test_without_a_recovery_passes_follow_each_other(registry):
    planned = cell(registry, "peel@0.5(steps=3)+nothing")
    assert [point.kind for point in planned.points] == ["baseline", "compress", "compress", "compress"]
    for before, point in zip(planned.points, planned.points[1:], strict=False):
        assert source_of(point.made) == before.made


def test_only_the_recovery_directly_behind_is_repeated(registry):
    planned = cell(registry, "peel@0.5(steps=2)+prune@0.2+tune+mimic", recovery={"iterations": 8})
    name = "peel@0.5(steps=2) pass"
    expected = ["baseline", f"{name} 1 of 2", f"{name} 2 of 2", "prune@0.2", "tune", "mimic"]
    assert [point.step for point in planned.points] == expected
    repeated = cell(registry, "peel@0.5(steps=2)+tune&mimic+mimic+prune@0.2+nothing", recovery={"iterations": 8})
    assert [point.step for point in repeated.points[1:]] == [
        f"{name} 1 of 2", "tune&mimic pass 1 of 2", f"{name} 2 of 2", "tune&mimic pass 2 of 2", "mimic", "prune@0.2",
    ]  # fmt: skip
    budgets = [point.made.fields.parameters.get("budget", {}).get("iterations") for point in repeated.points[1:]]
    assert budgets == [None, 4, None, 4, 8, None]


def test_targets_other_than_channels_are_split_alike(registry):
    planned = cell(registry, "peel@0.5(steps=3)", ratio_of="macs")
    settings = [point.made.fields.parameters["setting"] for point in planned.points if point.kind == "compress"]
    assert settings == [EACH] * 3


def test_wrong_steps_are_refused_with_the_methods_bounds(registry):
    for steps in ("0", "21", "2.5", "many"):
        with pytest.raises(UserError, match="method peel: steps"):
            plan(registry, f"peel@0.5(steps={steps})")
    with pytest.raises(PluginError, match="`steps`"):
        plan(registry, "round@int8(steps=2)")


def test_a_method_without_any_pass_is_the_plugins_fault(registry, monkeypatch):
    monkeypatch.setattr(MethodDescriptor, "passes", lambda self, setting, options: ())
    with pytest.raises(PluginError, match="`passes` of peel"):
        plan(registry, "peel@0.5")


def recorded(registry, layout, pipeline, failing=None):
    """The record of a cell with all stages complete but the one with the label `failing`."""
    made = plan(registry, pipeline)
    (planned,) = made.cells
    for number, stage in enumerate(planned.stages):
        complete(layout, stage, **({"metrics": {"score": 1 - number / 100}} if stage.kind == "evaluate" else {}))
    states = read_states(planned.stages, layout)
    for stage in planned.stages:
        if stage.label == failing:
            states.set(stage, "failed", Failure(kind="oom", message="too big"))
    recorder = Recorder("test", layout, states, {"painting": made.task}, made.methods, {})
    return planned, recorder.record(planned)


def test_the_record_has_the_setting_asked_for_and_a_step_a_pass(registry, tmp_path):
    planned, record = recorded(registry, Layout(tmp_path), "peel@0.5(steps=3)")
    assert (record.pipeline, record.setting, record.ratio) == ("peel@0.5(steps=3)+tune", 0.5, 0.5)
    assert [step.step for step in record.steps] == [point.step for point in planned.points[1:]]
    scores = [step.metrics["score"] for step in record.steps]
    assert len(set(scores)) == 6
    assert (record.before_recovery, record.after_recovery) == tuple(scores[-2:]), "of the last pass"
    assert record.achieved.channels == pytest.approx(1 - 0.5**3), "each of what the one before it left"
    assert {check.step for check in record.checks} == {f"peel@0.5(steps=3) pass {number} of 3" for number in (1, 2, 3)}
    assert sum(stage.iterations for stage in record.stages if stage.kind == "recover") == 60
    assert record.target.missed, "each pass of this invented method takes the whole ratio"
    assert record.target.reason == "each pass keeps whole channels, and what it cannot remove adds up"
    assert record.missing == {"comparison": "the benchmark has no oracle section"}


def test_the_record_without_recovery(registry, tmp_path):
    _, record = recorded(registry, Layout(tmp_path), "peel@0.5(steps=2)+nothing")
    assert record.before_recovery == record.steps[-1].metrics["score"]
    assert record.missing == {
        "after_recovery": "the pipeline has no recovery",
        "comparison": "the benchmark has no oracle section",
    }


@pytest.mark.parametrize(
    ("failing", "status"),
    [("prepare peel", "blocked"), ("prepare peel@0.5(steps=2) pass 2 of 2", "failed")],
)
def test_what_a_later_pass_prepares_is_the_cells_own_work(registry, tmp_path, failing, status):
    planned, record = recorded(registry, Layout(tmp_path), "peel@0.5(steps=2)", failing)
    assert (record.status, record.failed_stage) == (status, failing)
    assert record.achieved.channels is not None or failing == "prepare peel"
    assert [planned.shares(stage) for stage in planned.stages if stage.kind == "prepare"] == [True, False]


def test_a_change_of_the_budget_makes_each_pass_stale_for_itself(registry, tmp_path):
    layout = Layout(tmp_path)
    for stage in cell(registry, "peel@0.5(steps=2)", recovery={"iterations": 8}).stages:
        complete(layout, stage)
    planned = cell(registry, "peel@0.5(steps=2)", recovery={"iterations": 10})
    standings = Standings(read_states(planned.stages, layout), layout)
    shown = {stage.label: str(standings.stage(stage)) for stage in planned.stages}
    name = "peel@0.5(steps=2) pass"
    assert shown["prepare peel"] == shown[f"compress {name} 1 of 2"] == "complete"
    for label in (f"recover tune after {name} 1 of 2", f"prepare {name} 2 of 2", f"compress {name} 2 of 2"):
        assert shown[label] == "stale: budget.iterations 4 -> 5"
