"""What activation, hrank and chip have in common: which maps they see, and what they leave behind."""

import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeContext, FakeTask, Residual, Separable, Swapped, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.tracing import trace
from bench_pruning.criteria.activation import Activation
from bench_pruning.criteria.chip import CHIP
from bench_pruning.criteria.hrank import HRank
from bench_pruning.criteria.independence import independence
from bench_pruning.criteria.map_criterion import MapCriterion
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.activation import ActivationOptions
from harness.errors import NonFiniteLossError, UnsupportedOperationError

METHODS = {
    "mean": lambda: Activation(options=ActivationOptions()),
    "apoz": lambda: Activation(options=ActivationOptions(variant="apoz")),
    "hrank": lambda: HRank(options=PruningOptions()),
    "chip": lambda: CHIP(options=PruningOptions()),
}
every_method = pytest.mark.parametrize("method", METHODS)


class Batches(FakeContext):
    """A batch of three images and one of one."""

    def __init__(self, task=None):
        super().__init__(task, size=(12, 16))

    def calibration_batches(self, samples=None):
        del samples
        yield from self.example_images(4).split(3)


def scores(method, model, context=None):
    method = METHODS[method]() if isinstance(method, str) else method
    context = context or Batches()
    groups = [BoundGroup(group, model) for group in trace(model, FakeTask(), context.example_images()).prunable]
    statistics = method.collect(model, groups, context)
    return {group.name: method.score(group, statistics) for group in groups}


def images():
    return Batches().example_images(4)


def mean_magnitude(maps):
    return maps.double().abs().mean((0, 2, 3))


def share_of_positive(maps):
    return (maps > 0).double().mean((0, 2, 3))


def mean_rank(maps):
    ranks = [[int(torch.linalg.matrix_rank(channel)) for channel in image] for image in maps]
    return torch.tensor(ranks, dtype=torch.float64).mean(0)


def mean_independence(maps):
    return torch.stack([independence(image.flatten(1)) for image in maps]).mean(0)


EXPECTED = {"mean": mean_magnitude, "apoz": share_of_positive, "hrank": mean_rank, "chip": mean_independence}


@every_method
def test_maps_are_those_behind_normalisation_and_activation(method):
    model = randomize(Chain()).eval()
    with torch.no_grad():
        first = F.relu(model.norm(model.first(images())))
        second = F.relu(model.second_norm(model.second(first)))
    found = scores(method, model)
    torch.testing.assert_close(found["first"], EXPECTED[method](first), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["second"], EXPECTED[method](second), rtol=1e-5, atol=1e-6)


@every_method
def test_layers_that_read_a_stream_are_averaged(method):
    model = randomize(Residual()).eval()
    with torch.no_grad():
        stem = F.relu(model.stem(images()))
        whole = F.relu(model.norm(model.outer(F.relu(model.inner(stem)))) + stem)
    expected = (2 * EXPECTED[method](stem) + EXPECTED[method](whole)) / 3
    torch.testing.assert_close(scores(method, model)["stem"], expected, rtol=1e-5, atol=1e-6)


@every_method
def test_of_a_concatenation_the_groups_own_maps_count(method):
    model = randomize(Concatenation()).eval()
    with torch.no_grad():
        stem = F.relu(model.stem(images()))
        both = F.relu(model.norm(torch.cat([model.left(stem), model.right(stem), stem], dim=1)))
    found = scores(method, model)
    torch.testing.assert_close(found["right"], EXPECTED[method](both[:, 6:11]), rtol=1e-5, atol=1e-6)
    # The stem is read by both branches as it is, and behind the concatenation normalised.
    expected = (2 * EXPECTED[method](stem) + EXPECTED[method](both[:, 11:])) / 3
    torch.testing.assert_close(found["stem"], expected, rtol=1e-5, atol=1e-6)


def test_tied_channels_are_measured_together():
    model = randomize(Swapped()).eval()
    with torch.no_grad():
        left, right = F.relu(model.norm(model.first(images()))).chunk(2, dim=1)
    pairs = torch.stack([right, left], dim=2)
    activity = (mean_magnitude(left) + mean_magnitude(right)) / 2
    torch.testing.assert_close(scores("mean", model)["first"], activity, rtol=1e-5, atol=1e-6)
    ranks = (mean_rank(left) + mean_rank(right)) / 2
    torch.testing.assert_close(scores("hrank", model)["first"], ranks)
    torch.testing.assert_close(scores("chip", model)["first"], mean_independence(pairs), rtol=1e-5, atol=1e-6)


@every_method
def test_scores_follow_a_permutation_of_the_channels(method):
    model = randomize(Chain())
    other, order = copy.deepcopy(model), torch.tensor([5, 2, 7, 0, 6, 1, 3, 4])
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(other.norm, name).copy_(getattr(model.norm, name)[order])
        other.first.weight.copy_(model.first.weight[order])
        other.second.weight.copy_(model.second.weight[:, order])
    plain, moved = scores(method, model), scores(method, other)
    torch.testing.assert_close(moved["first"], plain["first"][order], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(moved["second"], plain["second"], rtol=1e-4, atol=2e-3)


@pytest.mark.parametrize(("method", "power"), [("mean", 1), ("apoz", 0), ("hrank", 0), ("chip", 1)])
def test_what_the_scale_of_maps_does(method, power):
    model = nn.Sequential(conv(3, 6), nn.ReLU(), conv(6, 2))
    larger = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in larger[0].parameters():
            parameter.mul_(4)
    expected = 4**power * scores(method, model)["0"]
    torch.testing.assert_close(scores(method, larger)["0"], expected, rtol=1e-5, atol=1e-6)


@every_method
def test_the_model_is_left_as_it_was_and_scores_repeat(method):
    model = randomize(Residual()).train()
    before, state = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    first = scores(method, model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    again = scores(method, model)
    assert all(torch.equal(values, again[name]) for name, values in first.items())


@pytest.mark.parametrize("network", [Separable, Swapped])
@pytest.mark.parametrize("method", ["mean", "chip"])
def test_a_network_is_pruned_and_computes_what_the_masked_one_does(network, method):
    model, context, method = randomize(network()), Batches(), METHODS[method]()
    result = method.compress(model, 0.5, method.prepare(model, context), context)
    assert result.achieved["channels"] == pytest.approx(0.5, abs=0.1)
    assert {check.verdict for check in result.checks} == {"pass"}


def test_hrank_says_nothing_about_vectors_but_takes_what_maps_there_are():
    model = randomize(Separable()).eval()
    with torch.no_grad():
        maps = model.activation(model.depth(F.relu(model.point(images()))))
        scaled = maps * model.excite(F.relu(model.squeeze(maps.mean((2, 3))))).sigmoid()[:, :, None, None]
    found = HRank(options=PruningOptions())
    context = Batches()
    groups = [BoundGroup(each, model) for each in trace(model, FakeTask(), context.example_images()).prunable]
    statistics = found.collect(model, groups, context)
    torch.testing.assert_close(statistics["point"], mean_rank(scaled))
    (vectors,) = [group for group in groups if group.name == "squeeze"]
    with pytest.raises(UnsupportedOperationError, match="HRank needs maps .* `squeeze` is only seen as tokens"):
        found.score(vectors, statistics)


class Pair(nn.Module):
    """Two layers read the same tensor, and one what it has become in place."""

    def __init__(self):
        super().__init__()
        self.first, self.left, self.right, self.last = conv(3, 4), conv(4, 2), conv(4, 2), conv(4, 2)

    def forward(self, x):
        x = self.first(x)
        both = self.left(x) + self.right(x)
        return both + self.last(F.relu(x, inplace=True))


def test_a_tensor_that_several_layers_read_is_measured_once_unless_it_has_changed():
    seen = []

    class Counted(MapCriterion):
        def measure(self, maps):
            seen.append(maps)
            return maps.flatten(2).sum((0, 2))

    model = Pair()
    with torch.no_grad():
        maps = model.first(images())
    context = Batches()
    expected = (2 * maps.sum((2, 3)) + F.relu(maps).sum((2, 3))).mean(0) / 3
    found = scores(Counted(options=PruningOptions()), model, context)
    torch.testing.assert_close(found["first"], expected.double().detach(), rtol=1e-4, atol=1e-4)
    assert len(seen) == 2 * 2, "twice for each of two batches"


def test_maps_that_are_not_finite_are_no_score():
    model = randomize(Chain())
    context = Batches()
    groups = [BoundGroup(each, model) for each in trace(model, FakeTask(), context.example_images()).prunable]
    with torch.no_grad():
        model.norm.bias[3] = float("nan")
    with pytest.raises(NonFiniteLossError, match="maps of `first` are not finite"):
        METHODS["chip"]().collect(model, groups, context)


def bound_to(model):
    return [BoundGroup(each, model) for each in trace(model, FakeTask(), images()).prunable]


def test_a_group_of_which_no_layer_is_called_has_no_score():
    model = nn.Sequential(conv(3, 4), conv(4, 2))
    (group,) = bound_to(model)
    assert METHODS["mean"]().declines(group) == ""
    without = type(group.group)(name="x", size=4, slots=())
    assert "no layer makes or reads" in METHODS["mean"]().declines(BoundGroup(without, model))
