"""Structured LAMP: toy numbers, scale, and what a global ranking leaves."""

import copy

import pytest
import torch
from pruning_fakes import Chain, FakeContext, FakeTask, Residual, Separable, randomize
from torch import nn

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.l2 import L2
from bench_pruning.criteria.lamp import LAMP, layer_adaptive
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.lamp import LAMPOptions


def scores(model, method=LAMP, options=LAMPOptions):
    groups = trace(model, FakeTask(), FakeContext().example_images()).prunable
    return {group.name: method(options=options()).score(BoundGroup(group, model), {}) for group in groups}


def bound(*weights, role="producer"):
    size = len(weights[0])
    layers = nn.ModuleList(nn.Linear(len(weight[0]), size, bias=False) for weight in weights)
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight.data = torch.tensor(weight)
    every = tuple(range(size))
    slots = tuple(
        ParameterSlot(module=str(i), parameter="weight", dim=0, role=role, indices=every, channels=every)
        for i in range(len(weights))
    )
    return BoundGroup(ChannelGroup(name="0", size=size, slots=slots), layers)


def score(*weights):
    return LAMP(options=LAMPOptions()).score(bound(*weights), {}).tolist()


def test_the_toy_of_single_weights():
    assert score([[1.0], [2.0], [3.0]]) == pytest.approx([1 / 14, 4 / 13, 1])
    assert score([[-3.0], [1.0], [2.0]]) == pytest.approx([1, 1 / 14, 4 / 13])


def test_squares_of_a_filter_and_of_all_that_make_the_channel_are_added():
    assert score([[1.0, 1], [0, 2]]) == pytest.approx([2 / 6, 1])
    assert score([[1.0], [0]], [[1.0], [2]]) == pytest.approx([2 / 6, 1])


def test_of_equal_filters_the_later_is_the_larger():
    assert layer_adaptive(torch.ones(4)).tolist() == pytest.approx([1 / 4, 1 / 3, 1 / 2, 1])


def test_filters_of_zeros_have_nothing():
    assert layer_adaptive(torch.tensor([0.0, 2, 0])).tolist() == [0, 1, 0]
    assert layer_adaptive(torch.zeros(3)).tolist() == [0] * 3


@pytest.mark.parametrize("network", [Chain, Residual, Separable])
def test_the_scale_of_a_group_does_not_matter_and_the_ranking_is_that_of_l2(network):
    model = randomize(network())
    other = copy.deepcopy(model)
    with torch.no_grad():
        for factor, parameter in enumerate(other.parameters(), start=2):
            parameter.mul_(factor if network is Chain else 5)  # several makers have one scale
    plain, scaled, norms = scores(model), scores(other), scores(model, L2, PruningOptions)
    assert plain.keys() == scaled.keys() == norms.keys()
    for name, values in plain.items():
        torch.testing.assert_close(scaled[name], values)
        assert values.argsort().tolist() == norms[name].argsort().tolist()
        assert float(values.max()) == 1


def test_permuted_filters_have_permuted_scores():
    values = torch.rand(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = torch.randperm(20, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(layer_adaptive(values[order]), layer_adaptive(values)[order])


def test_a_global_ranking_empties_no_group_before_all_are_down_to_one():
    """By their norms alone, a group of small weights goes before the others lose anything."""
    model = Chain(width=10)
    with torch.no_grad():
        model.first.weight.mul_(1e-3)
    kept = {}
    for method, options in ((LAMP, LAMPOptions()), (L2, PruningOptions(allocation="global", normalizer="none"))):
        pruned = copy.deepcopy(model)
        found = method(options=options)
        result = found.compress(pruned, 0.4, found.prepare(pruned, FakeContext()), FakeContext())
        assert {check.verdict for check in result.checks} == {"pass"}
        kept[method] = pruned.first.out_channels
    assert kept[L2] == 1
    assert 4 <= kept[LAMP] <= 8
    # Scores of 1, one in each group, are the last to go: 20 of 22 channels leave one each.
    found = LAMP(options=LAMPOptions())
    found.compress(model, 20 / 22, found.prepare(model, FakeContext()), FakeContext())
    assert (model.first.out_channels, model.second.out_channels) == (1, 1)


def test_channels_without_filters_have_no_score():
    method = LAMP(options=LAMPOptions())
    assert method.declines(bound([[1.0], [2.0]])) == ""
    assert "no filters" in method.declines(bound([[1.0], [2.0]], role="depthwise"))
