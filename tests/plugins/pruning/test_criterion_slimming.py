"""Network slimming: the penalty's subgradient, exact counts, and the sparse weights."""

import copy
from types import SimpleNamespace

import pytest
import torch
from pruning_fakes import Chain, FakeContext, FakeTask, conv, randomize
from torch import nn

from bench_pruning.criteria.l1 import L1
from bench_pruning.criteria.slimming import Slimming, SparsityHook, scales
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.slimming import SlimmingOptions
from harness.errors import UnsupportedOperationError


def method(**options):
    return Slimming(options=SlimmingOptions(**{"iterations": 1, "sparsity": 1e-12, **options}))


def with_scales(*values):
    model = randomize(Chain(width=4))
    with torch.no_grad():
        model.norm.weight.copy_(torch.tensor(values))
        model.second_norm.weight.fill_(5)
    return model


class Untrained(FakeContext):
    def train(self, model, budget, purpose, hooks=()):
        assert purpose == "sparse"
        return budget.iterations


def kept_of(result):
    return [slot for slot in result.transforms[0].payload["kept"]["first.weight"]["0"]]


def test_exactly_as_many_go_as_are_asked_for():
    """gamma = .1, .5, .3, .9 at one half: the quantile rule of the authors' code would remove three of the four."""
    model = with_scales(0.1, 0.5, 0.3, 0.9)
    context = Untrained()
    slimming = method(allocation="uniform")
    state = slimming.prepare(copy.deepcopy(model), context)
    assert torch.allclose(state.tensors["scores.first"], torch.tensor([0.1, 0.5, 0.3, 0.9]))
    assert kept_of(slimming.compress(model, 0.5, state, context)) == [1, 3]


def test_the_ranking_is_global():
    """Four small scales and six large ones: 2 of 10 channels go, both from the first layer."""
    model = with_scales(0.1, 0.5, -0.3, 0.9)
    context = Untrained()
    state = method().prepare(copy.deepcopy(model), context)
    result = method().compress(model, 0.2, state, context)
    assert result.details["layers"]["first"]["after"] == 2
    assert result.details["layers"]["second"]["after"] == 6
    assert kept_of(result) == [1, 3], "the sign of a scale does not matter"


def test_a_scaled_filter_that_normalisation_undoes_changes_no_score():
    model = with_scales(0.1, 0.5, 0.3, 0.9).eval()
    scaled = copy.deepcopy(model)
    with torch.no_grad():
        scaled.first.weight[2] *= 10
        scaled.norm.running_mean[2] *= 10
        scaled.norm.running_var[2] = (model.norm.running_var[2] + model.norm.eps) * 100 - model.norm.eps
    images = FakeContext().example_images(2)
    torch.testing.assert_close(scaled(images), model(images))
    first, second = (method().prepare(each, Untrained()).tensors["scores.first"] for each in (model, scaled))
    assert torch.equal(first, second)
    norms = [
        L1(options=PruningOptions()).prepare(each, Untrained()).tensors["scores.first"] for each in (model, scaled)
    ]
    assert norms[1][2] == pytest.approx(10 * norms[0][2].item(), rel=1e-5), "while the filter's norm grows"


def test_the_penalty_adds_its_subgradient_and_nothing_at_zero():
    model = nn.Sequential(conv(3, 4), nn.BatchNorm2d(4), conv(4, 2))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([2.0, -3.0, 0.0, 1.0]))
    images = torch.randn(2, 3, 8, 8)
    plain = copy.deepcopy(model)
    plain(images).square().mean().backward()
    hook = SparsityHook(0.25)
    runner = SimpleNamespace(model=model, optim_wrapper=SimpleNamespace())
    hook.before_train(runner)
    model(images).square().mean().backward()
    added = model[1].weight.grad - plain[1].weight.grad
    torch.testing.assert_close(added, torch.tensor([0.25, -0.25, 0, 0.25]))
    torch.testing.assert_close(model[0].weight.grad, plain[0].weight.grad)
    torch.testing.assert_close(model[1].bias.grad, plain[1].bias.grad)
    hook.after_train(runner)
    model.zero_grad()
    model(images).square().mean().backward()
    torch.testing.assert_close(model[1].weight.grad, plain[1].weight.grad)


def test_with_mixed_precision_the_penalty_is_scaled_as_the_loss_is():
    norm = nn.BatchNorm2d(2)
    scaler = SimpleNamespace(get_scale=lambda: 8.0)
    SparsityHook(0.5).before_train(SimpleNamespace(model=norm, optim_wrapper=SimpleNamespace(loss_scaler=scaler)))
    (norm.weight * torch.tensor([1.0, 2.0])).sum().backward()
    assert norm.weight.grad.tolist() == [1 + 4, 2 + 4]


def test_training_drives_scales_down_and_its_weights_are_what_is_pruned():
    model = randomize(Chain(width=4))
    context = FakeContext()
    sparse, plain = (
        method(sparsity=value, iterations=20).prepare(copy.deepcopy(model), context) for value in (0.05, 1e-9)
    )
    total = {key: sum(float(state.tensors[name].sum()) for name in state.tensors if name.startswith("scores."))
             for key, state in (("sparse", sparse), ("plain", plain))}  # fmt: skip
    assert total["sparse"] < total["plain"] - 0.1
    assert sparse.data["sparse_iterations"] == 20
    result = method(sparsity=0.05).compress(copy.deepcopy(model), 0.5, sparse, context)
    kept = result.transforms[0].payload["kept"]["norm.weight"]["0"]
    assert torch.equal(result.model.norm.weight.data, sparse.tensors["weights.norm.weight"][kept])
    assert {check.verdict for check in result.checks} == {"pass"}
    assert result.details["sparse_iterations"] == 20


def test_channels_that_no_normalisation_scales_stay():
    class Partly(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.second, self.head = conv(3, 6), nn.BatchNorm2d(6), conv(6, 5), conv(5, 2)

        def forward(self, x):
            return self.head(torch.relu(self.second(torch.relu(self.norm(self.first(x))))))

    model, context = Partly(), Untrained()
    state = method().prepare(copy.deepcopy(model), context)
    assert {"module": "second", "reason": "no normalisation scales its channels"} in state.data["pinned"]
    result = method().compress(model, 0.5, state, context)
    assert (result.model.first.out_channels, result.model.second.out_channels) == (3, 5)
    assert {check.verdict for check in result.checks} == {"pass"}, "costs are predicted with what stays"


@pytest.mark.parametrize(
    "layers", [[conv(3, 4), conv(4, 2)], [conv(3, 4), nn.BatchNorm2d(4, affine=False), conv(4, 2)]]
)
def test_a_model_without_scales_is_refused_before_it_is_trained(layers):
    class Never(FakeContext):
        def train(self, *arguments):
            raise AssertionError

    assert scales(nn.Sequential(*layers)) == []
    with pytest.raises(UnsupportedOperationError, match="no normalisation with a scale"):
        method().prepare(nn.Sequential(*layers), Never(FakeTask()))
