"""Which oracles and comparisons are drawn, what they share and what is in their identities."""

import pytest
from invented_plugins import invented_registry

from harness.plan.plan import make_plan
from harness.spec.benchmark import Benchmark

KEYS = {"name": "test", "methods": ["prune", "carve"], "ratios": [0.2, 0.5]}


@pytest.fixture(scope="module", autouse=True)
def registry(tmp_path_factory):
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield invented_registry(folder)


def plan(registry, **keys):
    return make_plan(Benchmark.model_validate({**KEYS, "oracle": {"samples": 4}, **keys}), registry, device="cpu")


def of_kind(made, kind):
    return [stage for stage in made.stages if stage.kind == kind]


def test_nobody_asks_by_default_and_everything_else_stays_as_it_is(registry):
    asked, plain = plan(registry), plan(registry, oracle=None)
    assert not of_kind(plain, "oracle")
    assert not of_kind(plain, "compare")
    others = [stage.identity for stage in asked.stages if stage.kind not in ("oracle", "compare")]
    assert others == [stage.identity for stage in plain.stages]


def test_one_oracle_of_the_baseline_serves_all_cells(registry):
    made = plan(registry)
    (oracle,) = of_kind(made, "oracle")
    assert len(of_kind(made, "compare")) == len(made.cells) == 4
    for planned in made.cells:
        baseline, last = planned.points[0].made, planned.points[-1].made
        assert dict(oracle.inputs) == {"model": baseline}
        assert dict(planned.compared.inputs) == {
            "candidate": last, "baseline": baseline, "oracle": oracle, "state": planned.prepared[0],
        }  # fmt: skip
        assert planned.shares(oracle)
        assert not planned.shares(planned.compared)
        stages = list(planned.stages)
        assert stages.index(oracle) < stages.index(planned.compared) < stages.index(planned.measured)
        fields = planned.compared.fields
        assert fields.parameters["method"] == planned.points[1].made.fields.parameters["method"]
        assert fields.plugins["method"] == planned.points[1].made.fields.plugins["method"]
        assert fields.parameters["key"] == planned.prepared[0].fields.parameters["key"]


def test_a_mistake_in_the_oracle_is_told_directly_behind_the_training(registry):
    made = plan(registry)
    assert [stage.kind for stage in made.stages[:3]] == ["train", "oracle", "evaluate"]
    of_baseline_itself = plan(registry, protocol="seed", methods=[], ratios=[], pipelines=["nothing"])
    assert [stage.kind for stage in of_baseline_itself.stages[:2]] == ["train", "oracle"]


def test_under_the_seed_protocol_each_last_model_has_its_own_and_no_method_is_asked(registry):
    made = plan(registry, protocol="seed")
    assert len(of_kind(made, "oracle")) == 4
    for planned in made.cells:
        assert dict(planned.oracle.inputs) == {"model": planned.points[-1].made}
        assert set(dict(planned.compared.inputs)) == {"candidate", "baseline", "oracle"}
        assert "method" not in planned.compared.fields.parameters
        assert not planned.shares(planned.oracle)


@pytest.mark.parametrize(
    ("pipeline", "method"),
    [
        ("prune@0.5+tune", "prune"),
        ("peel(steps=2)@0.5+tune", "peel"),
        ("nothing+prune@0.5+tune", "prune"),
        ("search@0.5+tune", None),
        ("search@0.5+prune@0.5+tune", None),
        ("tune+prune@0.5+tune", None),
        ("tune", None),
    ],
)
def test_the_method_is_asked_if_it_ranks_the_baselines_channels(registry, pipeline, method):
    made = plan(registry, methods=[], ratios=[], pipelines=[pipeline.replace("peel(steps=2)@0.5", "peel@0.5(steps=2)")])
    (planned,) = made.cells
    asked = planned.compared.fields.parameters.get("method")
    assert (asked and asked["name"]) == method
    assert ("state" in dict(planned.compared.inputs)) == (method is not None)
    if method is not None:
        assert dict(planned.compared.inputs)["state"] == planned.prepared[0]


def test_the_comparison_knows_who_trains_before_it_ranks(registry):
    made = plan(registry, methods=["prune", "search"])
    told = {planned.cell.method: planned.compared.fields.parameters.get("trains_first") for planned in made.cells}
    assert told == {"prune": None, "search": "search"}
    assert len(of_kind(made, "oracle")) == 1
    (alone,) = plan(registry, methods=[], ratios=[], pipelines=["tune"]).cells
    assert "trains_first" not in alone.compared.fields.parameters


def test_what_is_asked_reaches_the_oracle_and_the_batches_the_comparison(registry):
    def identities(**oracle):
        made = plan(registry, methods=["prune"], ratios=[0.5], oracle=oracle)
        return of_kind(made, "oracle")[0].identity, of_kind(made, "compare")[0].identity

    plain = identities(samples=4)
    assert identities(samples=4, max_channels=64) == plain
    for changed in ({"samples": 5}, {"samples": 4, "layers": ["a"]}, {"samples": 4, "max_channels": None}):
        oracle, compare = identities(**changed)
        assert oracle != plain[0]
        assert compare != plain[1], "through its input"


def test_the_stage_is_told_by_which_metric_channels_are_judged(registry):
    (oracle,) = of_kind(plan(registry), "oracle")
    assert oracle.fields.parameters["metric"] == {"name": "score", "higher_is_better": True}
    assert oracle.fields.parameters["oracle"] == {"samples": 4, "layers": [], "max_channels": 64, "batch_size": 4}
    assert len(of_kind(plan(registry, seeds=[0, 1]), "oracle")) == 2
