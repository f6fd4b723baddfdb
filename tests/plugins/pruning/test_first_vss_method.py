"""Protocol `seed`: one threshold over raw scores, surgery as always, and what it refuses."""

import copy
import json

import pytest
import torch
from first_vss_fakes import seeded
from pruning_fakes import Chain, FakeContext, Residual, conv, randomize
from torch import nn

from bench_pruning.criteria.fgp import FGP
from bench_pruning.criteria.fpgm import FPGM
from bench_pruning.criteria.group_norm import GroupL1
from bench_pruning.criteria.l1 import L1
from bench_pruning.criteria.l2 import L2
from bench_pruning.criteria.random import Random
from bench_pruning.criteria.sirfp import SIRFP
from bench_pruning.criteria.slimming import Slimming
from bench_pruning.criteria.taylor import Taylor
from bench_pruning.criteria.uniform import Uniform
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.dmcp import DMCPOptions
from bench_pruning.descriptors.fgp import FGPOptions
from bench_pruning.descriptors.fpgm import FPGMOptions
from bench_pruning.descriptors.sirfp import SIRFPOptions
from bench_pruning.descriptors.slimming import SlimmingOptions
from bench_pruning.descriptors.taylor import TaylorOptions
from bench_pruning.dmcp.method import DMCP
from bench_pruning.first_vss.scores import SCORES, raw_scores
from bench_pruning.first_vss.threshold import Threshold
from harness.errors import UserError
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark import Benchmark

METHODS = {
    "taylor": Taylor(options=TaylorOptions()),
    "slimming": Slimming(options=SlimmingOptions()),
    "fpgm": FPGM(options=FPGMOptions()),
    "l1": L1(options=PruningOptions()),
    "l2": L2(options=PruningOptions()),
    "random": Random(options=PruningOptions()),
    "fgp": FGP(options=FGPOptions()),
    "sirfp": SIRFP(options=SIRFPOptions()),
}


class Deep(nn.Module):
    """Three normalised convolutions in a row and a classifier."""

    def __init__(self):
        super().__init__()
        widths = (3, 8, 12, 6)
        self.layers = nn.Sequential()
        for before, after in zip(widths, widths[1:], strict=False):
            self.layers.extend([conv(before, after), nn.BatchNorm2d(after), nn.ReLU()])
        self.classifier = nn.Conv2d(6, 4, 1)

    def forward(self, x):
        return self.classifier(self.layers(x))


def pruned(method, model, ratio, context=None):
    context = context or seeded(size=(16, 16))
    state = method.prepare(copy.deepcopy(model), context)
    state.data = json.loads(json.dumps(state.data))
    return method.compress(copy.deepcopy(model), ratio, state, context), state


def test_all_that_vss_had_are_here():
    assert set(METHODS) == set(SCORES)


@pytest.mark.parametrize("name", METHODS)
def test_the_k_lowest_of_all_scores_go_but_one_channel_stays_everywhere(name):
    torch.manual_seed(0)
    model, context = randomize(Deep()), seeded(size=(16, 16))
    raw = raw_scores(name, model, context)
    total = {"fgp": 30}.get(name, 26)  # which counts the classifier
    assert sum(map(len, raw.values())) == total
    result, _ = pruned(METHODS[name], model, 0.5, context)
    threshold = sorted(torch.cat(list(raw.values())).tolist())[total // 2 - 1]
    for path in ("layers.0", "layers.3", "layers.6"):
        scores = raw[path]
        expected = [channel for channel, score in enumerate(scores.tolist()) if score > threshold]
        kept = result.transforms[0].payload["kept"].get(f"{path}.weight", {}).get("0", list(range(len(scores))))
        assert kept == (expected or [int(scores.argmax())])
    assert result.details["first_vss"]["scores"] == name
    assert (result.details["first_vss"]["of"], result.details["first_vss"]["below"]) == (total, total // 2)
    assert result.details["calibration"]["samples"] == 0
    assert {check.name: check.verdict for check in result.checks} == {
        "masked_equals_physical": "pass",
        "predicted_costs_equal_counted": "pass",
    }


def test_raw_scores_of_a_small_scale_empty_their_layer():
    model = Chain(width=8)
    with torch.no_grad():
        model.first.weight.mul_(1e-3)
        model.first.weight[5].mul_(2)
    result, _ = pruned(METHODS["l2"], model, 0.45)
    assert (result.model.first.out_channels, result.model.second.out_channels) == (1, 10)
    assert torch.equal(result.model.first.weight[0], model.first.weight[5])
    assert result.details["first_vss"]["single_channel"] == ["first"]
    assert result.details["target"]["missed"]
    assert "8 of 18 do not exceed" in result.details["target"]["reason"]
    assert result.achieved["channels"] == pytest.approx(7 / 18)
    balanced = METHODS["l2"].compress(
        copy.deepcopy(model), 0.45, METHODS["l2"].prepare(copy.deepcopy(model), FakeContext()), FakeContext()
    )
    assert balanced.model.first.out_channels == 4, "protocol corrected takes the same from each"


def test_the_first_convolution_of_a_coupled_group_decides_for_it():
    """`stem` and `outer` share channels; `outer` thinks the opposite, and counts for the threshold alone."""
    torch.manual_seed(0)
    model = randomize(Residual(width=4, classes=3))
    with torch.no_grad():
        for path, sizes in {"stem": (1, 2, 3, 4), "outer": (40, 30, 20, 10), "inner": range(50, 56)}.items():
            layer = model.get_submodule(path)
            rows = layer.weight.flatten(1).abs().sum(1)
            layer.weight.mul_((torch.tensor(sizes) / rows)[:, None, None, None])
        model.auxiliary_inner.weight.fill_(1.0)
    # 2.85 of 19 scores: the two lowest, both of the stem.
    result, _ = pruned(METHODS["l1"], model, 0.15, seeded(classes=3))
    kept = result.transforms[0].payload["kept"]
    assert kept["stem.weight"]["0"] == kept["outer.weight"]["0"] == kept["head.weight"]["1"] == [2, 3]
    assert result.details["first_vss"]["of"] == 19
    assert result.checks[0].verdict == "pass"


def test_what_no_score_reaches_stays_whole():
    """Of the residual network only `outer` has a normalisation behind it: its group has its scores."""
    result, state = pruned(METHODS["slimming"], randomize(Residual()), 0.5)
    assert set(result.details["layers"]) == {"stem", "outer"}
    assert (result.model.stem.out_channels, result.model.inner.out_channels) == (4, 6)
    reasons = {pin["module"]: pin["reason"] for pin in state.data["pinned"]}
    assert reasons["inner"] == "protocol seed scores no convolution of it by slimming"


def test_layers_as_wide_as_the_classes_and_protected_ones_stay_and_do_not_count():
    model = Deep()
    result, _ = pruned(METHODS["l1"], model, 0.5, seeded(classes=12, size=(16, 16)))
    assert result.model.layers[3].out_channels == 12
    assert result.details["first_vss"]["of"] == 8 + 6 + 4, "the classifier counts, which is pinned"
    protecting = L1(options=PruningOptions(protect="layers.3"))
    result, state = pruned(protecting, model, 0.5)
    assert result.model.layers[3].out_channels == 12
    assert result.details["first_vss"]["of"] == 14
    assert set(protecting.channel_scores(model, state, seeded())) == {"layers.0", "layers.6"}


def test_channel_scores_are_the_raw_ones():
    model, context = randomize(Deep()), seeded(size=(16, 16))
    _, state = pruned(METHODS["taylor"], model, 0.3, context)
    raw = raw_scores("taylor", model, context)
    scores = METHODS["taylor"].channel_scores(model, state, context)
    assert set(scores) == set(raw)
    assert all(torch.equal(values.float(), raw[path]) for path, values in scores.items())


def test_slimming_does_not_train_and_keeps_the_weights():
    class Untrainable(FakeContext):
        def train(self, *given, **keys):
            raise AssertionError

    context, model = Untrainable(size=(16, 16)), randomize(Deep())
    context.protocol = "seed"
    result, state = pruned(METHODS["slimming"], model, 0.3, context)
    assert not [name for name in state.tensors if name.startswith("weights.")]
    kept = result.transforms[0].payload["kept"]["layers.0.weight"]["0"]
    assert torch.equal(result.model.layers[0].weight, model.layers[0].weight[kept])


def test_uniform_is_the_same_under_both_protocols():
    for ratio_of in ("channels", "macs"):
        kept = []
        for context in (seeded(ratio_of=ratio_of), FakeContext(ratio_of=ratio_of)):
            result, _ = pruned(Uniform(options=PruningOptions()), randomize(Deep()), 0.5, context)
            kept.append(result.transforms[0].payload["kept"])
        assert kept[0] == kept[1] != {}


def test_a_threshold_counts_as_floats_do_and_takes_all_equal_scores():
    scores = [torch.arange(100.0)]
    assert Threshold.at(0.29, scores) == Threshold(27.0, 100, 28), "0.29 * 100 is below 29 in floats"
    assert Threshold.at(0.009, scores) == Threshold(None, 100, 0)
    assert Threshold.at(0.009, scores).kept(torch.zeros(3)) == [0, 1, 2]
    equal = Threshold.at(0.25, [torch.tensor([1.0, 1.0, 1.0, 2.0])])
    assert (equal.value, equal.below) == (1.0, 3)
    assert equal.kept(torch.tensor([1.0, 2.0, 0.5, 3.0])) == [1, 3]
    assert equal.kept(torch.tensor([0.5, 1.0, 1.0])) == [2], "of equal ones the last"


@pytest.mark.parametrize(
    ("method", "reason"),
    [(GroupL1(options=PruningOptions()), "did not have it"), (DMCP(options=DMCPOptions()), "not specified closely")],
)
def test_methods_without_a_seed_protocol_say_so(method, reason):
    context = seeded()
    context.prepare_key = 0.5
    with pytest.raises(UserError, match=rf"{type(method).__name__} has no seed protocol: .*{reason}") as caught:
        method.prepare(Chain(), context)
    assert "protocol corrected" in caught.value.hint


def test_a_ratio_of_macs_is_refused_before_and_after_prepare():
    method = METHODS["l1"]
    with pytest.raises(UserError, match="ratio_of=macs"):
        method.prepare(Chain(), seeded(ratio_of="macs"))
    state = method.prepare(Chain(), seeded())
    with pytest.raises(UserError, match="ratio_of=params"):
        method.compress(Chain(), 0.5, state, seeded(ratio_of="params"))


def planned(*methods, protocol="seed"):
    return make_plan(
        Benchmark.model_validate({"methods": list(methods), "ratios": [0.5], "protocol": protocol}), discover()
    )


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("group_l1", "group_l1 has no seed protocol: the first VSS benchmark did not have it"),
        ("dmcp", "dmcp has no seed protocol: how the first VSS benchmark trained its gates"),
        ({"l1": {"allocation": "global", "min_channels": 2}}, "allocation, min_channels: protocol seed"),
        ({"taylor": {"variant": "bn"}}, "variant: protocol seed"),
    ],
)
def test_a_plan_refuses_what_the_protocol_does_not_have(method, message):
    with pytest.raises(UserError, match=message):
        planned(method)
    assert planned(method, protocol="corrected").cells


def test_a_plan_takes_all_of_vss_its_controls_and_options_that_are_honoured():
    honoured = {"steps": 2, "recalibrate": 4, "bias_compensation": True, "protect": "backbone"}
    made = planned("taylor", {"l1": honoured}, {"uniform": {"allocation": "global"}})
    names = [str(planned.cell.pipeline) for planned in made.cells]
    assert any(name.startswith("uniform@0.5") for name in names)
    assert any(name.startswith("random@0.5") for name in names)


def test_the_plan_knows_that_a_ratio_is_one_of_channels():
    found = {name: discover().method(name).descriptor.under("seed") for name in ("l1", "random", "uniform")}
    assert (found["l1"].ratio_targets, found["random"].ratio_targets) == (("channels",), ("channels",))
    assert "macs" in found["uniform"].ratio_targets
    assert {name: descriptor.default_recovery for name, descriptor in found.items()} == {
        "l1": "none", "random": "none", "uniform": "scratch",
    }  # fmt: skip
