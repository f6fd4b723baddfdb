import copy
from types import SimpleNamespace

import pytest
import torch
from pruning_fakes import Chain, FakeContext, Residual, Separable, randomize
from torch import nn

from bench_pruning.criteria.fgp import FGP
from bench_pruning.criteria.fgp_threshold import FGPThreshold, kept_channels
from bench_pruning.demand import Demand
from bench_pruning.descriptors.fgp import FGP_THRESHOLD, FGPOptions, FGPThresholdOptions
from bench_pruning.method import SCORES
from harness.registry.method import State

FEATURES = torch.tensor([[1.0, 2], [3, 0], [1, 1]])
GRADIENTS = torch.tensor([[[1, 0], [-1, 1], [0.5, 0.5]], [[0, 1], [1, 0], [-1, -1]]])


class Toy(nn.Module):
    """Three channels of two pixels, the first predicted as one class, the second as the other."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 3, 1, bias=False)
        self.first.weight.data = torch.eye(3)[:, :, None, None]
        self.head = nn.Linear(6, 2, bias=False)
        self.head.weight.data = GRADIENTS.flatten(1).clone()

    def forward(self, x):
        own = torch.eye(2, device=x.device)
        logits = self.head(self.first(x).flatten(1))[:, :, None] * own - 100 * (1 - own)
        return logits[:, :, None]


class ToyContext(FakeContext):
    def __init__(self):
        super().__init__(size=(1, 2))

    def calibration_batches(self, samples=None):
        yield FEATURES[None, :, None].repeat(samples or 1, 1, 1, 1)


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    """By chance a channel may be negative everywhere, and then have no support."""
    torch.manual_seed(0)


class Batches(FakeContext):
    """Two batches of two images."""

    def calibration_batches(self, samples=None):
        del samples
        yield from self.example_images(4).split(2)


def compressed(model, context=None, **options):
    method, context = FGPThreshold(options=FGPThresholdOptions(**options)), context or Batches()
    return method.compress(model, None, method.prepare(model, context), context)


def channels(shares, **options):
    return kept_channels(torch.tensor(shares, dtype=torch.float64), FGPThresholdOptions(**options))


def test_the_toy_of_two_classes():
    model = Toy()
    result = compressed(model, ToyContext(), threshold=0.8)
    assert model.first.weight.flatten(1).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert result.details["support"]["threshold"] == 0.8
    assert result.details["support"]["kept"]["first"] == pytest.approx(6 / 7)
    assert result.achieved["channels"] == pytest.approx(1 / 3)
    assert "target" not in result.details


@pytest.mark.parametrize(("threshold", "left"), [(1e-9, 1), (3 / 7 + 1e-6, 2), (0.86, 3), (1.0, 3)])
def test_the_number_of_channels_is_an_outcome(threshold, left):
    model = Toy()
    compressed(model, ToyContext(), threshold=threshold)
    assert model.first.out_channels == left


@pytest.mark.parametrize(
    ("weighting", "shares"), [("pixel", [3 / 7, 3 / 7, 1 / 7]), ("mean", [6 / 11, 3 / 11, 2 / 11])]
)
def test_support_is_weighted_as_the_option_says(weighting, shares):
    method = FGPThreshold(options=FGPThresholdOptions(weighting=weighting))
    state = method.prepare(Toy(), ToyContext())
    assert state.tensors[SCORES + "first"].tolist() == pytest.approx(shares)


def test_everything_that_has_support_stays_at_a_threshold_of_one():
    model = randomize(Chain())
    with torch.no_grad():
        model.second.weight[:, [3, 6]] = 0
    whole = copy.deepcopy(model.first.weight)
    result = compressed(model, threshold=1)
    assert torch.equal(model.first.weight, whole[[0, 1, 2, 4, 5, 7]])
    assert model.second.out_channels == 10
    assert result.details["support"]["kept"]["first"] == 1


def test_a_threshold_that_leaves_nothing_out_keeps_one_channel_of_each_layer():
    model = randomize(Chain())
    result = compressed(model, threshold=1e-9)
    assert (model.first.out_channels, model.second.out_channels) == (1, 1)
    assert result.achieved["channels"] == pytest.approx(16 / 18)


def test_shares_reach_the_threshold_and_without_any_kept_channel_do_not():
    model, context = randomize(Chain(width=24)), Batches()
    method = FGPThreshold(options=FGPThresholdOptions(threshold=0.7))
    state = method.prepare(model, context)
    kept = method.compress(model, None, state, context).transforms[0].payload["kept"]
    for name in ("first", "second"):
        share, indices = state.tensors[SCORES + name], kept[f"{name}.weight"]["0"]
        assert float(share.sum()) == pytest.approx(1)
        assert float(share[indices].sum()) >= 0.7 > float(share[indices].sum() - share[indices].min())


def test_a_threshold_and_the_ratio_that_it_comes_to_keep_the_same_channels():
    model, context = randomize(Chain(width=24)), Batches()
    other, method = copy.deepcopy(model), FGP(options=FGPOptions())
    result = compressed(model, threshold=0.8)
    gone = result.achieved["channels"]
    assert 0.05 < gone < 0.95
    method.compress(other, gone, method.prepare(other, context), context)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


def test_layers_without_support_stay_whole_and_say_so():
    model = randomize(Residual())
    result = compressed(model, threshold=0.3)
    assert model.auxiliary_inner.out_channels == 5
    assert model.inner.out_channels < 6
    assert result.details["support"]["kept"]["auxiliary_inner"] is None


def test_protected_layers_stay_whole():
    model = randomize(Residual())
    result = compressed(model, threshold=0.3, protect="inner")
    assert (model.inner.out_channels, result.details["protected"]) == (6, ["inner"])
    assert model.stem.out_channels < 8
    assert result.details["support"]["kept"]["inner"] == 1


SHARES = [0.05, 0.4, 0.1, 0.05, 0.3, 0.1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 4]),
        ({"min_channels": 3}, [1, 4, 5]),
        ({"min_channels": 9}, [0, 1, 2, 3, 4, 5]),
        ({"max_ratio": 0.5}, [1, 4, 5]),
        ({"round_to": 4}, [1, 2, 4, 5]),
        ({"threshold": 0.75, "round_to": 2}, [1, 2, 4, 5]),
        ({"threshold": 0.95, "round_to": 4}, [1, 2, 4, 5]),
    ],
)
def test_limits_change_the_number_by_channels_in_the_order_of_their_support(options, expected):
    assert channels(SHARES, **{"threshold": 0.65, **options}) == expected


def test_what_rounding_leaves_of_the_threshold_is_in_the_details():
    method = FGPThreshold(options=FGPThresholdOptions(threshold=0.95, round_to=4))
    state = State(tensors={f"{SCORES}a": torch.tensor(SHARES), f"{SCORES}b": torch.zeros(5)}, data={})
    demand = Demand(of="channels", sizes={"a": 6, "b": 5}, costs={})
    chosen = method.choose(None, state, demand, SimpleNamespace())
    assert chosen.kept == {"a": [1, 2, 4, 5], "b": [0, 1, 2, 3, 4]}
    assert chosen.target is None
    assert chosen.details["support"]["kept"] == {"a": pytest.approx(0.9), "b": None}


@pytest.mark.parametrize("network", [Chain, Residual, Separable])
def test_a_network_is_pruned_and_computes_what_the_masked_one_does(network):
    result = compressed(randomize(network()), threshold=0.8)
    assert result.achieved["channels"] > 0
    assert {check.verdict for check in result.checks} == {"pass"}


@pytest.mark.parametrize("wrong", [{"threshold": 0}, {"threshold": 1.1}, {"allocation": "global"}, {"steps": 2}])
def test_options_of_a_ratio_are_none_of_a_threshold(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        FGPThresholdOptions(**wrong)


def test_it_takes_no_setting_and_is_compared_with_what_needs_none():
    assert (FGP_THRESHOLD.axis, FGP_THRESHOLD.ratio_targets, FGP_THRESHOLD.controls) == (None, (), ("finetune",))
    assert FGP_THRESHOLD.passes(None, FGPThresholdOptions()) == (None,)
