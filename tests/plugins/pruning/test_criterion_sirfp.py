import copy

import pytest
import torch
from pruning_fakes import Chain, Concatenation, FakeContext, Residual, Separable, Swapped, conv, randomize
from torch import nn
from torch.nn import functional as F

from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.criteria.clique import greedy_removal
from bench_pruning.criteria.redundancy import edge_sum, redundancy_sum
from bench_pruning.criteria.sirfp import SIRFP
from bench_pruning.descriptors.sirfp import SIRFPOptions
from bench_pruning.method import SCORES


class Batches(FakeContext):
    """Two batches of two images; a loss with its own signs."""

    def calibration_batches(self, samples=None):
        del samples
        yield from self.example_images(4).split(2)


def scores(model, context=None, **options):
    state = SIRFP(options=SIRFPOptions(**options)).prepare(model, context or Batches())
    return {name.removeprefix(SCORES): values for name, values in state.tensors.items() if name.startswith(SCORES)}


def images():
    return Batches().example_images(4)


def test_scores_are_those_of_the_normalized_maps_at_full_resolution():
    model = randomize(Chain()).eval()
    with torch.no_grad():
        maps = model.norm(model.first(images()))
    expected = greedy_removal((redundancy_sum(maps) / 4).abs()).scores + 0.4 * edge_sum(maps) / 4
    torch.testing.assert_close(scores(model)["first"], expected, rtol=1e-5, atol=1e-8)


def test_the_reference_counts_the_diagonal_and_edges_at_borders():
    model = randomize(Chain()).eval()
    with torch.no_grad():
        maps = model.norm(model.first(images()))
    expected = greedy_removal((redundancy_sum(maps) / 4).abs(), diagonal=True).scores + 0.4 * edge_sum(maps, "zero") / 4
    found = scores(model, variant="reference")["first"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-8)
    assert not torch.allclose(found, scores(model)["first"], rtol=1e-3)


def test_without_normalization_the_layers_own_result_counts_and_members_are_averaged():
    model = randomize(Residual()).eval()
    with torch.no_grad():
        stem = model.stem(images())
        inner = model.inner(F.relu(stem))
        outer = model.norm(model.outer(F.relu(inner)))
    found = scores(model, edge_weight=0)
    expected = greedy_removal((redundancy_sum(inner) / 4).abs()).scores
    torch.testing.assert_close(found["inner"], expected, rtol=1e-5, atol=1e-8)
    both = ((redundancy_sum(stem) / 4).abs() + (redundancy_sum(outer) / 4).abs()) / 2
    torch.testing.assert_close(found["stem"], greedy_removal(both).scores, rtol=1e-5, atol=1e-8)


def test_a_norm_behind_a_concatenation_gives_each_branch_its_own_maps():
    model = randomize(Concatenation()).eval()
    with torch.no_grad():
        stem = F.relu(model.stem(images()))
        maps = model.norm(torch.cat([model.left(stem), model.right(stem), stem], dim=1))
    means = [(redundancy_sum(part) / 4).abs() for part in (maps[:, 6:11], model.right(stem).detach())]
    found = scores(model, edge_weight=0)["right"]
    torch.testing.assert_close(found, greedy_removal(sum(means) / 2).scores, rtol=1e-5, atol=1e-8)


def test_tied_channels_have_the_mean_of_their_pairs():
    model = randomize(Swapped()).eval()
    with torch.no_grad():
        pairs = (redundancy_sum(model.norm(model.first(images()))) / 4).abs().view(2, 4, 2, 4)
    expected = greedy_removal(pairs.mean((0, 2))).scores
    torch.testing.assert_close(scores(model, edge_weight=0)["first"], expected, rtol=1e-5, atol=1e-8)


def named(part):
    torch.manual_seed(0)

    class Divided(nn.Module):
        def __init__(self):
            super().__init__()
            self.add_module(part, randomize(Chain()))
            self.other = conv(4, 2, 1)

        def forward(self, x):
            return self.other(F.relu(getattr(self, part)(x)))

    return Divided()


def test_edges_count_in_the_backbone_and_everywhere_if_nothing_is_called_so():
    plain, backbone = scores(named("body"), edge_weight=0)["body.first"], scores(named("backbone"))
    assert not torch.allclose(scores(named("body"))["body.first"], plain)
    torch.testing.assert_close(scores(named("body"))["body.first"], backbone["backbone.first"])


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = conv(3, 6)
        self.decode_head = conv(6, 5)
        self.classifier = conv(5, 2, 1)

    def forward(self, x):
        return self.classifier(F.relu(self.decode_head(F.relu(self.backbone(x)))))


def test_heads_have_a_weight_of_their_own():
    model = Head()
    default, none = scores(model), scores(model, edge_weight=0)
    assert torch.equal(default["decode_head"], none["decode_head"])
    assert (default["backbone"] > none["backbone"]).all()
    both = scores(model, head_edge_weight=0.4)
    assert (both["decode_head"] > none["decode_head"]).all()
    torch.testing.assert_close(both["backbone"], default["backbone"])


def test_gradients_count_where_a_step_would_shrink_the_scale():
    model = randomize(Chain()).eval()
    with torch.no_grad():
        model.norm.weight[::2] *= -1
    total, count = torch.zeros(8), torch.zeros(8)
    for batch in images().split(2):
        (gradient,) = torch.autograd.grad(model(batch).square().mean(), [model.norm.weight])
        agrees = gradient * model.norm.weight > 0
        total += gradient.abs() * agrees
        count += agrees
    expected = 0.4 * (total / count.clamp(min=1)).double()
    assert 0 < int((expected > 0).sum()) <= 8
    found = scores(model, edge_weight=0, gradient_weight=0.4)["first"] - scores(model, edge_weight=0)["first"]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-7)


def test_normalized_terms_have_a_mean_magnitude_of_one():
    model = randomize(Chain()).eval()
    found = scores(model, edge_weight=0, normalize=True)
    for values in found.values():
        assert values.abs().mean().item() == pytest.approx(1)
    scaled = scores(model, edge_weight=0)["first"]
    torch.testing.assert_close(found["first"], scaled / scaled.abs().mean())


def permuted(model, order):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name in ("weight", "bias", "running_mean", "running_var"):
            getattr(other.norm, name).copy_(getattr(model.norm, name)[order])
        other.first.weight.copy_(model.first.weight[order])
        other.second.weight.copy_(model.second.weight[:, order])
    return other


@pytest.mark.parametrize("variant", ["paper", "reference"])
def test_scores_follow_a_permutation_of_the_channels(variant):
    model, order = randomize(Chain()), torch.tensor([5, 2, 7, 0, 6, 1, 3, 4])
    options = {"variant": variant, "gradient_weight": 0.4}
    one, other = scores(model, **options), scores(permuted(model, order), **options)
    torch.testing.assert_close(other["first"], one["first"][order], rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(other["second"], one["second"], rtol=1e-4, atol=1e-7)


def bound(size):
    every = tuple(range(size))
    slot = ParameterSlot(module="0", parameter="weight", dim=0, role="producer", indices=every, channels=every)
    return BoundGroup(ChannelGroup(name="0", size=size, slots=(slot,)), nn.Sequential(nn.Linear(3, size)))


@pytest.mark.parametrize(("variant", "first"), [("paper", 0), ("reference", 2)])
def test_the_reference_prefers_two_identical_maps_to_one_of_a_single_pixel(variant, first):
    maps = torch.ones(1, 3, 10, 10)
    maps[0, :2, 0, 0] = 0
    maps[0, 2] = 0
    maps[0, 2, 0, 0] = 1
    method = SIRFP(options=SIRFPOptions(variant=variant))
    assert method.score(bound(3), {"redundancy.0": redundancy_sum(maps).abs()}).argmin() == first


def test_scores_are_the_same_every_time():
    model = randomize(Residual())
    one, other = scores(model, gradient_weight=0.4), scores(model, gradient_weight=0.4)
    assert all(torch.equal(values, other[name]) for name, values in one.items())


@pytest.mark.parametrize("network", [Chain, Residual, Separable])
def test_the_model_is_left_as_it_was(network):
    model = randomize(network()).train()
    model.get_submodule("head" if network is not Chain else "classifier").weight.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    modes = [module.training for module in model.modules()]
    flags = [parameter.requires_grad for parameter in model.parameters()]
    scores(model, gradient_weight=0.4)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == flags
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("variant", ["paper", "reference"])
@pytest.mark.parametrize("network", [Chain, Residual, Concatenation, Separable, Swapped])
def test_a_network_is_pruned_and_computes_what_the_masked_one_does(network, variant):
    model, context = randomize(network()), Batches()
    method = SIRFP(options=SIRFPOptions(variant=variant, allocation="uniform"))
    result = method.compress(model, 0.5, method.prepare(model, context), context)
    assert result.achieved["channels"] == pytest.approx(0.5, abs=0.1)
    assert {check.name: check.verdict for check in result.checks} == {
        "masked_equals_physical": "pass",
        "predicted_costs_equal_counted": "pass",
    }


def test_the_default_allocation_ranks_all_layers_and_leaves_two_percent_of_each():
    model, context = randomize(Chain(width=8)), Batches()
    method = SIRFP(options=SIRFPOptions())
    result = method.compress(model, 0.5, method.prepare(model, context), context)
    assert result.achieved["channels"] == pytest.approx(0.5)
    assert (result.details["options"]["allocation"], result.details["options"]["max_ratio"]) == ("global", 0.98)


class Tokens(nn.Module):
    """Convolution, tokens, two linear layers with a layer normalisation between, classes."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(3, 6, 4, stride=4)
        self.norm = nn.LayerNorm(6)
        self.hidden = nn.Linear(6, 10)
        self.out = nn.Linear(10, 4)

    def forward(self, x):
        tokens = self.norm(self.embed(x).flatten(2).mT)
        return self.out(F.relu(self.hidden(tokens))).mT.unflatten(2, (8, 8))


def test_tokens_are_the_pixels_of_linear_layers():
    model = Tokens().eval()
    with torch.no_grad():
        maps = model.hidden(model.norm(model.embed(images()).flatten(2).mT)).mT
    # Tokens have no edges, whatever their weight.
    expected = greedy_removal((redundancy_sum(maps) / 4).abs()).scores
    torch.testing.assert_close(scores(model)["hidden"], expected, rtol=1e-5, atol=1e-8)


def test_a_group_that_nothing_was_seen_of_has_scores_of_zero():
    assert SIRFP(options=SIRFPOptions()).score(bound(5), {}).tolist() == [0] * 5
