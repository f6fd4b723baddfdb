import pytest
from invented_plugins import invented_registry

from harness.errors import UserError
from harness.plan.plan import make_plan
from harness.plan.protection import protected_call
from harness.registry import IterativeOptions, MethodDescriptor, Options, discover
from harness.spec.benchmark import Benchmark
from harness.spec.pipeline import parse_pipeline


class Protecting(Options):
    protect: tuple[str, ...] = ()


def descriptor(options):
    return MethodDescriptor(name="m", summary="", implementation="", family="pruning", options=options)


def call(text):
    return parse_pipeline(text).steps[0].calls[0]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("m@0.5", "m@0.5(protect=a,b)"),
        ("m@0.5(protect=c)", "m@0.5(protect=c,a,b)"),
        ("m@0.5(protect=b,c)", "m@0.5(protect=b,c,a)"),
    ],
)
def test_patterns_come_behind_those_of_the_method(written, expected):
    assert str(protected_call(call(written), ["a", "b"], descriptor(Protecting))) == expected


def test_a_method_without_the_option_is_left():
    written = call("m@0.5")
    assert protected_call(written, ["a"], descriptor(IterativeOptions)) is written


def test_the_key_of_a_benchmark_reaches_options_cells_and_identities():
    asked = {"methods": ["l1"], "controls": [], "pipelines": ["l2@0.3+none"], "ratios": [0.5]}
    plain = make_plan(Benchmark.model_validate(asked), discover())
    protected = make_plan(Benchmark.model_validate({**asked, "protect": ["backbone"]}), discover())
    written = make_plan(Benchmark.model_validate({"pipelines": ["l1@0.5(protect=backbone,)"]}), discover())
    assert [str(cell.cell.pipeline) for cell in protected.cells] == [
        "l1@0.5(protect=backbone,)+finetune",
        "l2@0.3(protect=backbone,)+none",
    ]
    identities = [{stage.identity for stage in plan.cells[0].stages} for plan in (plain, protected, written)]
    assert identities[1] == identities[2]
    assert len(identities[0] & identities[1]) == 2, "the baseline is shared"


def test_it_is_a_mistake_where_no_method_takes_it(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    benchmark = Benchmark.model_validate({"methods": ["prune"], "ratios": [0.5], "protect": "backbone"})
    with pytest.raises(UserError, match="--protect: no method among prune, tune can leave layers alone"):
        make_plan(benchmark, invented_registry(tmp_path))
