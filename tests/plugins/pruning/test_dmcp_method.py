"""DMCP as a method: one search a target, a network of first channels, and chains that learn what a layer is worth."""

import copy

import pytest
import torch
from dmcp_fakes import SearchContext
from pruning_fakes import Chain, FakeTask, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.descriptors.dmcp import DMCP as DESCRIPTOR
from bench_pruning.descriptors.dmcp import DMCPOptions
from bench_pruning.dmcp.chain import Chain as MarkovChain
from bench_pruning.dmcp.method import DMCP
from harness.errors import UnsupportedOperationError, UserError
from harness.spec.budget import TrainingBudget


def method(**options):
    return DMCP(options=DMCPOptions(**{"iterations": 4, **options}))


def context_for(ratio, task=None, ratio_of="macs"):
    context = SearchContext(task, size=(8, 8), ratio_of=ratio_of)
    context.prepare_key = ratio
    return context


def searched(model, ratio, task=None, ratio_of="macs", **options):
    context = context_for(ratio, task, ratio_of)
    return method(**options).prepare(copy.deepcopy(model), context), context


@pytest.mark.parametrize("ratio_of", ["macs", "params", "channels"])
@pytest.mark.parametrize("sampling", ["expected", "direct"])
def test_the_target_is_met_by_first_channels(ratio_of, sampling):
    model = randomize(Chain(width=40))
    state, context = searched(model, 0.5, ratio_of=ratio_of, sampling=sampling)
    result = method(sampling=sampling).compress(copy.deepcopy(model), 0.5, state, context)
    target = result.details["target"]
    assert not target["missed"], target
    assert (target["of"], target["asked"]) == (ratio_of, 0.5)
    assert all(check.verdict == "pass" for check in result.checks)
    kept = result.transforms[0].payload["kept"]["first.weight"]["0"]
    assert kept == list(range(len(kept)))
    assert result.details["search"]["iterations"] == 4
    assert result.details["search"]["sampling"] == sampling


def test_every_target_has_a_search_of_its_own():
    assert DESCRIPTOR.prepare_key(0.3, DMCPOptions()) != DESCRIPTOR.prepare_key(0.5, DMCPOptions())
    model = randomize(Chain(width=20))
    states = [searched(model, ratio, start="target")[0].tensors["alpha.first"] for ratio in (0.3, 0.7)]
    assert bool((states[0] > states[1]).all()), "the search of a larger network has wider chains"


def test_ratio_zero_changes_nothing_and_searches_nothing():
    model = randomize(Chain())
    state, context = searched(model, 0.0)
    result = method().compress(copy.deepcopy(model), 0.0, state, context)
    assert state.data["search_iterations"] == 0
    assert result.achieved["channels"] == 0
    for name, value in model.state_dict().items():
        assert torch.equal(value, result.model.state_dict()[name])


def test_without_a_target_there_is_nothing_to_search_for():
    with pytest.raises(UserError, match="needs a ratio"):
        method().prepare(randomize(Chain()), context_for(None))


def test_protected_layers_have_no_chain():
    model = randomize(Chain(width=20))
    state, context = searched(model, 0.3, protect=("first",))
    result = method(protect=("first",)).compress(copy.deepcopy(model), 0.3, state, context)
    assert "alpha.first" not in state.tensors
    assert result.details["layers"]["first"]["after"] == 20
    assert result.details["layers"]["second"]["after"] < 22


def test_layers_without_another_width_stay_as_they_are():
    """No chain has more than one width where hardly anything may go."""
    model = randomize(Chain(width=20))
    state, context = searched(model, 0.5, max_ratio=0.001)
    result = method(max_ratio=0.001).compress(copy.deepcopy(model), 0.5, state, context)
    assert not [name for name in state.tensors if name.startswith("alpha.")]
    assert result.achieved["channels"] == 0
    assert result.details["target"]["missed"]


def test_what_nothing_can_stand_behind_stays_and_is_named():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.inner = conv(3, 8), conv(8, 10)
            self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
            self.outer, self.head = conv(10, 8), conv(8, 4, 1)

        def forward(self, x):
            x = self.stem(x)
            tokens = x.flatten(2).transpose(1, 2)
            x = x + self.attention(tokens, tokens, tokens, need_weights=False)[0].transpose(1, 2).reshape(x.shape)
            return self.head(x + self.outer(F.relu(self.inner(x))))

    model = Attending()
    state, context = searched(model, 0.3, ratio_of="channels")
    result = method().compress(copy.deepcopy(model), 0.3, state, context)
    assert [name for name in state.tensors if name.startswith("alpha.")] == ["alpha.inner"]
    assert result.details["layers"]["stem"]["after"] == 8
    assert result.details["layers"]["inner"]["after"] < 10
    pinned = {entry["module"]: entry["reason"] for entry in result.details["pinned"]}
    assert "is not called as a module" in pinned["attention.out_proj"]


def test_what_the_chains_cannot_learn_from_fails_before_the_training():
    class Regression(FakeTask):
        def class_maps(self, model, outputs):
            return []

    context = context_for(0.5, Regression())
    context.train = None  # is not reached
    with pytest.raises(UnsupportedOperationError, match="returns no class logits"):
        method().prepare(randomize(Chain()), context)


def test_the_search_has_a_recoverys_budget_in_the_supernets_own_names():
    seen = []

    class Noting(SearchContext):
        def train(self, model, budget, purpose, hooks=()):
            seen.append(budget)
            assert all(model.get_submodule(name) for name in budget.activation_checkpointing)
            return super().train(model, budget, purpose, hooks)

    context = Noting(size=(8, 8))
    context.prepare_key = 0.5
    context.budget = TrainingBudget(iterations=7, accumulate=3, clip_norm=2, activation_checkpointing=("second",))
    method(iterations=None).prepare(randomize(Chain()), context)
    (budget,) = seen
    assert (budget.iterations, budget.accumulate, budget.clip_norm) == (7, 1, 2)
    assert budget.activation_checkpointing == ("network.second",)


def test_the_search_leaves_the_model_as_it_was():
    model = randomize(Chain())
    before = copy.deepcopy(model.state_dict())
    searched_model = copy.deepcopy(model)
    method().prepare(searched_model, context_for(0.5))
    for name, value in before.items():
        assert torch.equal(value, searched_model.state_dict()[name]), name


class TwoBranches(nn.Module):
    """One branch makes what the loss asks for; the other's part is nearly nothing."""

    def __init__(self):
        super().__init__()
        self.useful, self.useless = conv(3, 20, 1), conv(3, 20, 1)
        self.head, self.other_head = conv(20, 2, 1), conv(20, 2, 1)

    def forward(self, x):
        return self.head(F.relu(self.useful(x))) + 1e-3 * self.other_head(F.relu(self.useless(x)))


class Gentle(SearchContext):
    rate = 1e-5


class Reaching(FakeTask):
    """The output is to be far from zero, which needs channels."""

    def loss(self, model, batch):
        return 5 * (10 - self.forward(model, batch)[0]).square().mean()


def test_chains_learn_which_layer_is_worth_its_cost():
    """Both branches cost the same; the one that the loss hangs on gets most of the channels."""
    torch.manual_seed(0)
    model = TwoBranches()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.abs_()
    context = Gentle(Reaching(), size=(8, 8), ratio_of="macs")
    context.prepare_key = 0.5
    state = method(iterations=120, lr=0.05, final_lr=0.05).prepare(copy.deepcopy(model), context)
    widths = {
        name: MarkovChain.over(20, 10, 1).expected_width(state.tensors[f"alpha.{name}"]).item()
        for name in ("useful", "useless")
    }
    assert widths["useful"] > widths["useless"] + 4, widths
    result = method().compress(copy.deepcopy(model), 0.5, state, context)
    assert result.details["layers"]["useful"]["after"] > result.details["layers"]["useless"]["after"] + 4
