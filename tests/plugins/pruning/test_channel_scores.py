"""What methods think of single channels agrees with what they remove."""

import copy

import pytest
import torch
from dmcp_fakes import SearchContext
from pruning_fakes import Chain, Concatenation, FakeContext, Residual, Separable, randomize
from torch import nn

from bench_pruning.criteria.fgp import FGP
from bench_pruning.criteria.fgp_threshold import FGPThreshold
from bench_pruning.criteria.fpgm import FPGM
from bench_pruning.criteria.group_fisher import GroupFisher
from bench_pruning.criteria.l1 import L1
from bench_pruning.criteria.random import Random
from bench_pruning.criteria.sirfp import SIRFP
from bench_pruning.criteria.slimming import Slimming
from bench_pruning.criteria.taylor import Taylor
from bench_pruning.criteria.uniform import Uniform
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.dmcp import DMCPOptions
from bench_pruning.descriptors.fgp import FGPOptions, FGPThresholdOptions
from bench_pruning.descriptors.fpgm import FPGMOptions
from bench_pruning.descriptors.group_fisher import GroupFisherOptions
from bench_pruning.descriptors.sirfp import SIRFPOptions
from bench_pruning.descriptors.slimming import SlimmingOptions
from bench_pruning.descriptors.taylor import TaylorOptions
from bench_pruning.dmcp.method import DMCP

METHODS = {
    "l1": L1(options=PruningOptions(allocation="uniform")),
    "l1_global": L1(options=PruningOptions(allocation="global", normalizer="max")),
    "fpgm_mix": FPGM(options=FPGMOptions(norm_ratio=0.3)),
    "random": Random(options=PruningOptions()),
    "uniform": Uniform(options=PruningOptions()),
    "taylor": Taylor(options=TaylorOptions()),
    "slimming": Slimming(options=SlimmingOptions(iterations=1)),
    "sirfp": SIRFP(options=SIRFPOptions()),
    "fgp": FGP(options=FGPOptions()),
    "fgp_threshold": FGPThreshold(options=FGPThresholdOptions(threshold=0.6)),
    "group_fisher_macs": GroupFisher(options=GroupFisherOptions(per_saving="macs")),
    "dmcp": DMCP(options=DMCPOptions(iterations=4, widths=4)),
}


def outcome(method, model, context, ratio):
    """Returns the scores of the layers, and which channels of each layer are kept."""
    context.prepare_key = ratio
    state = method.prepare(copy.deepcopy(model), context)
    scores = method.channel_scores(model, state, context)
    result = method.compress(copy.deepcopy(model), ratio, state, context)
    return scores, result.transforms[0].payload["kept"]


@pytest.mark.parametrize("name", METHODS)
def test_what_goes_from_a_layer_scores_no_higher_than_what_stays(name):
    torch.manual_seed(0)
    model = randomize(Chain(width=12))
    ratio = None if name == "fgp_threshold" else 0.4
    context = SearchContext(size=(16, 16)) if name == "dmcp" else FakeContext(size=(16, 16))
    scores, kept = outcome(METHODS[name], model, context, ratio)
    compared = 0
    for path, size in (("first", 12), ("second", 14)):
        assert scores[path].shape == (size,)
        assert scores[path].dtype == torch.float64
        stay = kept.get(f"{path}.weight", {}).get("0", list(range(size)))
        gone = sorted(set(range(size)) - set(stay))
        if gone:
            compared += 1
            assert scores[path][gone].max() <= scores[path][stay].min()
    assert compared
    assert set(scores) == {"first", "second"}, "the classifier loses nothing"


def test_scores_tell_channels_apart():
    scores, _ = outcome(METHODS["l1"], randomize(Chain()), FakeContext(), 0.5)
    assert len(scores["first"].unique()) == 8


def test_layers_that_share_channels_share_scores_and_protected_ones_are_left_out():
    model = randomize(Residual())
    method = L1(options=PruningOptions(protect="inner"))
    scores, _ = outcome(method, model, FakeContext(), 0.5)
    assert set(scores) == {"stem", "outer", "auxiliary_inner"}
    rows = torch.cat([model.stem.weight.flatten(1), model.outer.weight.flatten(1)], dim=1)
    assert torch.allclose(scores["stem"].float(), rows.abs().sum(1))
    assert torch.equal(scores["stem"], scores["outer"])


def test_linear_depthwise_and_transposed_layers_have_scores_in_their_own_order():
    model = Separable()
    scores, kept = outcome(L1(options=PruningOptions()), model, FakeContext(), 0.5)
    assert {path: len(values) for path, values in scores.items()} == {"point": 8, "depth": 8, "squeeze": 6, "up": 5} | {
        "excite": 8
    }
    stay = kept["up.weight"]["1"]
    assert sorted(scores["up"].argsort()[-len(stay) :].tolist()) == stay


class Shortcut(nn.Module):
    """What `first` makes is added to the image and to what `left` makes, side by side."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 7, 1)
        self.left = nn.Conv2d(3, 4, 1)
        self.head = nn.Conv2d(7, 2, 1)

    def forward(self, x):
        return self.head((self.first(x) + torch.cat([x, self.left(x)], dim=1)).relu())


def test_channels_that_cannot_go_are_no_numbers():
    model = Shortcut()
    scores, _ = outcome(L1(options=PruningOptions()), model, FakeContext(), 0.3)
    assert scores["first"].isnan().tolist() == [True] * 3 + [False] * 4
    rows = torch.cat([model.first.weight[3:].flatten(1), model.left.weight.flatten(1)], dim=1)
    assert torch.allclose(scores["first"][3:].float(), rows.abs().sum(1))
    assert torch.equal(scores["first"][3:], scores["left"])


def test_a_concatenation_does_not_mix_up_its_branches():
    model = randomize(Concatenation())
    scores, _ = outcome(L1(options=PruningOptions()), model, FakeContext(), 0.3)
    for path in ("left", "right", "reduce"):
        layer = model.get_submodule(path)
        assert torch.allclose(scores[path].float(), layer.weight.abs().sum((1, 2, 3)).detach())


def test_probabilities_of_a_chain_fall_with_the_index():
    scores, _ = outcome(METHODS["dmcp"], randomize(Chain(width=12)), SearchContext(size=(16, 16)), 0.4)
    assert scores["first"][0] == 1
    assert (scores["first"].diff() <= 0).all()
    assert 0 < scores["first"][-1] < 0.5
