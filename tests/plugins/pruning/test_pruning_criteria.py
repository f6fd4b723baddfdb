import pytest
import torch
from pruning_fakes import Chain, FakeContext, Residual
from torch import nn

from bench_pruning.allocation import allocate
from bench_pruning.channels.bound import BoundGroup
from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
from bench_pruning.criteria.fpgm import FPGM
from bench_pruning.criteria.l1 import L1
from bench_pruning.criteria.l2 import L2
from bench_pruning.criteria.random import Random
from bench_pruning.descriptors import PruningOptions
from bench_pruning.descriptors.fpgm import FPGMOptions
from bench_pruning.method import SCORES


def group(*weights):
    """A group whose producers have the given filters [C, D]."""
    size = len(weights[0])
    layers = nn.ModuleList(nn.Conv2d(weight.shape[1], size, 1, bias=False) for weight in weights)
    for layer, weight in zip(layers, weights, strict=True):
        layer.weight.data = weight[:, :, None, None].clone()
    every = tuple(range(size))
    slots = tuple(
        ParameterSlot(module=str(i), parameter="weight", dim=0, role="producer", indices=every, channels=every)
        for i in range(len(weights))
    )
    return BoundGroup(ChannelGroup(name="0", size=size, slots=slots), layers)


def score(method, *weights, **options):
    chosen = FPGMOptions if method is FPGM else PruningOptions
    return method(options=chosen(**options)).score(group(*weights), {})


def column(*values):
    return torch.tensor(values)[:, None]


def random_filters(seed=0, channels=12, size=20):
    return torch.randn(channels, size, generator=torch.Generator().manual_seed(seed))


def test_fpgm_sums_distances_and_would_not_prune_the_smallest_filter():
    scores = score(FPGM, column(0.0, 1.0, 2.0, 10.0))
    assert scores.tolist() == pytest.approx([13, 11, 11, 27])
    assert score(L1, column(0.0, 1.0, 2.0, 10.0)).argmin() == 0


def test_fpgm_sees_signs():
    scores = score(FPGM, column(-1.0, 1.0, 1.1, 3.0))
    assert scores.tolist() == pytest.approx([8.1, 4.1, 4.1, 7.9], rel=1e-6)


def test_fpgm_is_invariant_to_translation_and_scales():
    filters = random_filters()
    scores = score(FPGM, filters)
    torch.testing.assert_close(score(FPGM, filters + 5), scores, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(score(FPGM, -3 * filters), 3 * scores, rtol=1e-5, atol=0)
    flipped = filters.clone()
    flipped[3] *= -1
    assert not torch.allclose(score(FPGM, flipped), scores, rtol=1e-3)
    for norm in (L1, L2):
        assert not torch.allclose(score(norm, filters + 5), score(norm, filters), rtol=0.1)
        torch.testing.assert_close(score(norm, flipped), score(norm, filters))


def test_fpgm_resolves_filters_that_are_nearly_equal():
    filters = random_filters()[:1] + 1e-4 * random_filters(1)
    differences = (filters.double()[:, None] - filters.double()[None]).square().sum(-1).sqrt().sum(1)
    torch.testing.assert_close(score(FPGM, filters), differences, rtol=1e-6, atol=0)


def test_fpgm_mix_gives_up_the_smallest_norms_and_sums_distances_among_the_others():
    filters = column(0.0, 1.0, 2.0, 10.0)
    mixed = score(FPGM, filters, norm_ratio=0.25)
    # Without the filter 0 the distances are 1 + 9, 1 + 8 and 9 + 8.
    assert mixed[1:].tolist() == pytest.approx([10, 9, 17])
    assert mixed[0] < 0
    assert score(FPGM, filters, norm_ratio=0.2).tolist() == score(FPGM, filters).tolist()


def kept(ratio, scores, **options):
    return allocate(scores, ratio, FPGMOptions(**options)).kept


@pytest.mark.parametrize(
    ("norm_ratio", "ratio", "expected"),
    [
        (0, 0.25, [0, 2, 3]),  # distances 13, 11, 11, 27
        (0.25, 0.25, [1, 2, 3]),  # the filter 0 by its norm
        (0.25, 0.5, [1, 3]),  # then the filter 2 by its distance: 10, 9, 17
        (0.5, 0.25, [1, 2, 3]),  # a ratio below norm_ratio: by norm alone, the smallest first
        (0.5, 0.5, [2, 3]),
        (0.75, 0.75, [3]),
    ],
)
def test_fpgm_mix_removes_by_norm_up_to_its_ratio_and_then_by_distance(norm_ratio, ratio, expected):
    scores = score(FPGM, column(0.0, 1.0, 2.0, 10.0), norm_ratio=norm_ratio)
    assert kept(ratio, {"a": scores}) == {"a": expected}


def test_fpgm_mix_counts_its_fraction_exactly_and_rounds_down():
    filters = random_filters(channels=10)
    assert [(score(FPGM, filters, norm_ratio=ratio) < 0).sum() for ratio in (0.3, 0.7, 0.29, 0.99)] == [3, 7, 2, 9]


def test_fpgm_mix_follows_the_two_steps_of_its_paper():
    filters = random_filters(channels=20)
    by_norm = filters.norm(dim=1).argsort()[5:]
    distances = torch.stack([(filters[by_norm] - filters[i]).norm(dim=1).sum() for i in by_norm])
    survivors = by_norm[distances.argsort()[4:]]
    scores = score(FPGM, filters, norm_ratio=0.25)
    assert kept(0.45, {"a": scores}) == {"a": sorted(survivors.tolist())}
    torch.testing.assert_close(score(FPGM, -3 * filters, norm_ratio=0.25), 3 * scores, rtol=1e-5, atol=0)


@pytest.mark.parametrize("normalizer", ["none", "mean", "max"])
def test_of_all_layers_filters_go_by_norm_before_any_goes_by_distance(normalizer):
    weights = {"near": 0.01 * random_filters(1), "far": random_filters(2), "equal": torch.ones(4, 3)}
    scores = {name: score(FPGM, values, norm_ratio=0.5) for name, values in weights.items()}
    counts = {
        name: len(channels) for name, channels in kept(0.5, scores, allocation="global", normalizer=normalizer).items()
    }
    assert counts == {"near": 6, "far": 6, "equal": 2}


@pytest.mark.parametrize("wrong", [-0.1, 1.0])
def test_a_fraction_of_all_filters_cannot_go_by_norm(wrong):
    with pytest.raises(ValueError, match="norm_ratio"):
        FPGMOptions(norm_ratio=wrong)


def test_norms_follow_their_definitions():
    filters = random_filters()
    torch.testing.assert_close(score(L1, filters), torch.stack([row.abs().sum() for row in filters]))
    torch.testing.assert_close(score(L2, filters), torch.stack([row.dot(row).sqrt() for row in filters]))


@pytest.mark.parametrize("method", [L1, L2])
def test_norms_are_homogeneous_and_blind_to_signs(method):
    filters = random_filters()
    torch.testing.assert_close(score(method, -2.5 * filters), 2.5 * score(method, filters))


def test_coupled_producers_count_as_one_long_filter():
    one, other = random_filters(1), random_filters(2, size=7)
    joined = torch.cat([one, other], dim=1)
    for method in (L1, L2, FPGM):
        torch.testing.assert_close(score(method, one, other), score(method, joined))


@pytest.mark.parametrize("method", [L1, L2, FPGM])
def test_scores_follow_a_permutation_of_the_channels(method):
    filters = random_filters()
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(score(method, filters[order]), score(method, filters)[order])


def prepare(method, model, seed=0):
    state = method(options=PruningOptions()).prepare(model, FakeContext(seed=seed))
    return {name: values for name, values in state.tensors.items() if name.startswith(SCORES)}


def test_random_depends_on_the_seed_and_the_groups_name_only():
    first, again, other = (prepare(Random, Residual(), seed) for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not any(torch.equal(first[name], other[name]) for name in first)
    assert len({values[0].item() for values in first.values()}) == len(first)
    torch.manual_seed(99)
    assert torch.equal(prepare(Random, Residual(), 1)["scores.inner"], first["scores.inner"])


def test_two_random_selections_overlap_by_chance_only():
    # Of the channels that one selection keeps at ratio p, another keeps 1 - p in expectation.
    shares = []
    for seed in range(40):
        one, other = (prepare(Random, Chain(width=60), s)["scores.first"] for s in (seed, seed + 1000))
        kept = [set(scores.argsort()[24:].tolist()) for scores in (one, other)]
        shares.append(len(kept[0] & kept[1]) / 36)
    assert sum(shares) / 40 == pytest.approx(0.6, abs=0.04)


def test_weights_alone_decide_for_the_norms():
    model = Chain()
    assert torch.equal(prepare(L1, model, 1)["scores.first"], prepare(L1, model, 2)["scores.first"])
    expected = model.first.weight.detach().abs().sum((1, 2, 3))
    torch.testing.assert_close(prepare(L1, model)["scores.first"], expected)
