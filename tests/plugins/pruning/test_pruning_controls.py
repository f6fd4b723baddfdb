"""What pruning methods are compared with, and `uniform`, which is one of them."""

import torch
from pruning_fakes import Chain, FakeContext, Residual

from bench_pruning.criteria.uniform import Uniform
from bench_pruning.descriptors import UNIFORM, PruningOptions, pruning_method
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.registry.method import State
from harness.spec.benchmark import Benchmark


def compressed(model, ratio, **options):
    method = Uniform(options=PruningOptions(**options))
    state: State = method.prepare(model, FakeContext())
    return method.compress(model, ratio, state, FakeContext())


def test_uniform_keeps_the_first_channels_of_every_group():
    found = compressed(Chain(width=10), 0.7)
    kept = found.transforms[0].payload["kept"]
    assert kept["first.weight"]["0"] == kept["second.weight"]["1"] == [0, 1, 2]
    assert kept["second.weight"]["0"] == [0, 1, 2, 3]
    assert all(check.verdict != "fail" for check in found.checks)


def test_uniform_knows_neither_weights_nor_seeds():
    kept = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        kept.append(compressed(Residual(), 0.5).transforms[0].payload["kept"])
    assert kept[0] == kept[1] != {}


def test_uniform_trains_from_scratch():
    assert (UNIFORM.default_recovery, UNIFORM.needs) == ("scratch", frozenset())
    assert (UNIFORM.source.fidelity, UNIFORM.controls) == ("adapted", ())


def test_a_criterion_of_ones_own_has_controls_unless_it_says_otherwise():
    named = {"name": "x", "summary": "y", "implementation": "a:B"}
    assert pruning_method(**named).controls == ("random", "uniform", "finetune")
    assert pruning_method(**named, controls=()).controls == ()


def controls(made):
    return [str(planned.cell.pipeline) for planned in made.cells if planned.cell.role == "control"]


def plan(*methods, disabled=(), **keys):
    return make_plan(Benchmark.model_validate({"methods": list(methods), **keys}), discover(disabled=disabled))


def test_protected_layers_are_those_of_controls_too_and_a_training_in_prepare_has_one_of_its_length():
    keys = {"ratios": [0.5], "protect": ["backbone.layer4"]}
    protected = "(protect=backbone.layer4,)"
    usual = [f"random@0.5{protected}+finetune", f"uniform@0.5{protected}+scratch", "finetune"]
    assert controls(plan("l1", "fpgm", "sirfp", "fgp", "taylor", **keys)) == usual
    assert controls(plan("slimming", **keys)) == [*usual, f"random@0.5{protected}+finetune+finetune"]
    assert controls(plan("random", "uniform", **keys)) == []


def test_one_that_is_switched_off_is_named():
    made = plan("l1", "slimming", ratios=[0.2, 0.5], disabled=["random"])
    assert controls(made) == ["uniform@0.2+scratch", "finetune", "uniform@0.5+scratch"]
    assert [text.partition(" is left out")[0] for text in made.controls_left_out] == [
        "control random (of l1, slimming)",
        "control random+finetune+finetune (of slimming)",
    ]
    assert all("is disabled by --disable random" in text for text in made.controls_left_out)
