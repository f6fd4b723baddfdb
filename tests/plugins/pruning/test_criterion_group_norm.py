"""Norms of whole groups: closed form, scale, permutation, and the plain norm as a special case."""

import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeContext, Residual, Separable, randomize
from torch import nn

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.criteria.group_norm import GroupL1, GroupL2
from bench_pruning.criteria.l1 import L1
from bench_pruning.descriptors import PruningOptions

METHODS = [GroupL1, GroupL2]


def scores(method, model, **options):
    state = method(options=PruningOptions(**options)).prepare(model, FakeContext())
    return {name.removeprefix("scores."): values for name, values in state.tensors.items()}


@pytest.mark.parametrize("method", METHODS)
def test_rows_scales_and_columns_count_and_are_averaged_over_layers(method):
    model = randomize(Chain())
    power = method.power
    rows = model.first.weight.double().abs().pow(power).flatten(1).sum(1)
    scale = model.norm.weight.double().abs().pow(power)
    columns = model.second.weight.double().abs().pow(power).transpose(0, 1).flatten(1).sum(1)
    torch.testing.assert_close(scores(method, model)["first"], ((rows + scale + columns) / 3).detach())


def test_all_layers_on_a_stream_count():
    model = randomize(Residual())
    parts = [
        model.stem.weight.flatten(1), model.outer.weight.flatten(1), model.norm.weight[:, None],
        model.inner.weight.transpose(0, 1).flatten(1), model.auxiliary_inner.weight.transpose(0, 1).flatten(1),
        model.head.weight.transpose(0, 1).flatten(1),
    ]  # fmt: skip
    expected = sum(part.double().square().sum(1) for part in parts) / len(parts)
    torch.testing.assert_close(scores(GroupL2, model)["stem"], expected.detach())


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("network", [Chain, Residual, Concatenation, Separable])
def test_every_group_has_finite_scores_and_they_are_homogeneous(method, network):
    model = randomize(network())
    tripled = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in tripled.parameters():
            parameter.mul_(3)
    once, thrice = scores(method, model), scores(method, tripled)
    assert set(once) == set(thrice)
    for name, values in once.items():
        assert bool((values > 0).all())
        torch.testing.assert_close(thrice[name], 3**method.power * values, rtol=1e-5, atol=0)


@pytest.mark.parametrize("method", METHODS)
def test_permuted_channels_have_permuted_scores(method):
    model = randomize(Chain())
    permuted = copy.deepcopy(model)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        permuted.first.weight.copy_(model.first.weight[order])
        permuted.norm.weight.copy_(model.norm.weight[order])
        permuted.second.weight.copy_(model.second.weight[:, order])
    assert torch.equal(scores(method, permuted)["first"], scores(method, model)["first"][order])


def test_a_group_of_one_layer_has_the_plain_norm():
    """Without normalisation and what reads the channels, the mean over one layer is Li et al.'s sum of |W|."""
    layer = nn.Conv2d(3, 6, 3, bias=False)
    every = tuple(range(6))
    slot = ParameterSlot(module="0", parameter="weight", dim=0, role="producer", indices=every, channels=every)
    group = BoundGroup(ChannelGroup(name="0", size=6, slots=(slot,)), nn.Sequential(layer))
    plain = L1(options=PruningOptions()).score(group, {})
    torch.testing.assert_close(GroupL1(options=PruningOptions()).score(group, {}), plain.double(), rtol=1e-6, atol=0)
    torch.testing.assert_close(plain, layer.weight.detach().abs().sum((1, 2, 3)))


def test_what_reads_a_channel_makes_the_difference_to_the_plain_norm():
    model = randomize(Chain())
    with torch.no_grad():
        model.norm.weight.fill_(1)
        model.second.weight.fill_(1)
    plain, group = scores(L1, model)["first"], scores(GroupL1, model)["first"]
    assert torch.equal(plain.argsort(), group.argsort()), "the rest is the same for all channels"
    with torch.no_grad():
        model.second.weight[:, int(plain.argmin())] = 100
    assert int(scores(GroupL1, model)["first"].argmax()) == int(plain.argmin())
    assert torch.equal(scores(L1, model)["first"], plain)
