from fractions import Fraction
from math import floor

import pytest
import torch

from bench_pruning import allocation
from bench_pruning.descriptors import PruningOptions


def scores(seed=0, sizes=(7, 16, 5)):
    generator = torch.Generator().manual_seed(seed)
    return {f"group{i}": torch.rand(size, generator=generator) for i, size in enumerate(sizes)}


def options(**values):
    return PruningOptions(**values)


def allocate(values, ratio, chosen):
    return allocation.allocate(values, ratio, chosen).kept


def total(kept):
    return sum(map(len, kept.values()))


def nearest(size, ratio):
    """The integer nearest to the rest of `size`; of two, the larger."""
    return floor((1 - Fraction(str(ratio))) * size + Fraction(1, 2))


def test_uniform_keeps_the_highest_scores_of_each_group():
    kept = allocate({"a": torch.tensor([3.0, 1.0, 2.0, 4.0]), "b": torch.tensor([9.0, 8.0])}, 0.5, options())
    assert kept == {"a": [0, 3], "b": [0]}


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.77, 0.9, 0.99])
def test_uniform_counts_are_exact(ratio):
    kept = allocate(scores(), ratio, options())
    sizes = {"group0": 7, "group1": 16, "group2": 5}
    assert {name: len(k) for name, k in kept.items()} == {
        name: max(1, nearest(size, ratio)) for name, size in sizes.items()
    }


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.125, 0.25, 0.375, 0.5, 0.77])
@pytest.mark.parametrize("normalizer", ["none", "mean", "max"])
def test_global_counts_are_exact(ratio, normalizer):
    kept = allocate(scores(), ratio, options(allocation="global", normalizer=normalizer))
    assert total(kept) == nearest(28, ratio)


def test_global_removes_the_lowest_scores_of_all():
    values = {"a": torch.tensor([1.0, 2.0, 9.0]), "b": torch.tensor([5.0, 6.0, 7.0])}
    assert allocate(values, 0.5, options(allocation="global", normalizer="none")) == {"a": [2], "b": [1, 2]}


@pytest.mark.parametrize("mode", ["uniform", "global"])
def test_ties_remove_neither_more_nor_fewer_than_asked(mode):
    values = {"a": torch.ones(10), "b": torch.ones(6)}
    kept = allocate(values, 0.5, options(allocation=mode))
    assert total(kept) == 8
    assert all(kept.values())


@pytest.mark.parametrize("mode", ["uniform", "global"])
@pytest.mark.parametrize("round_to", [1, 4])
def test_larger_ratios_keep_subsets(mode, round_to):
    chosen = options(allocation=mode, round_to=round_to)
    previous = allocate(scores(), 0.0, chosen)
    for ratio in torch.linspace(0.05, 0.95, 19).tolist():
        kept = allocate(scores(), ratio, chosen)
        assert all(set(kept[name]) <= set(previous[name]) for name in kept)
        previous = kept


@pytest.mark.parametrize("mode", ["uniform", "global"])
def test_every_group_keeps_a_channel(mode):
    values = {"poor": torch.full((8,), 1e-6), "rich": torch.full((8,), 1e6)}
    kept = allocate(values, 0.99, options(allocation=mode, normalizer="none"))
    assert {name: len(k) for name, k in kept.items()} == {"poor": 1, "rich": 1}


def test_a_global_ratio_is_met_in_full_next_to_a_floor():
    values = {"poor": torch.full((8,), 1e-6), "rich": torch.full((8,), 1e6)}
    kept = allocate(values, 0.75, options(allocation="global", normalizer="none", min_channels=2))
    assert {name: len(k) for name, k in kept.items()} == {"poor": 2, "rich": 2}


def test_no_group_loses_more_than_max_ratio_and_the_others_make_up_for_it():
    values = {"poor": torch.full((8,), 1e-6), "rich": torch.full((8,), 1e6)}
    chosen = options(allocation="global", normalizer="none", max_ratio=0.75)
    assert {name: len(k) for name, k in allocate(values, 0.5, chosen).items()} == {"poor": 2, "rich": 6}
    assert {name: len(k) for name, k in allocate(values, 0.9, chosen).items()} == {"poor": 2, "rich": 2}


@pytest.mark.parametrize("mode", ["uniform", "global"])
def test_protected_groups_stay_whole_and_do_not_count(mode):
    kept = allocation.allocate(scores(sizes=(16, 16)), 0.5, options(allocation=mode), protected={"group0"}).kept
    assert {name: len(k) for name, k in kept.items()} == {"group0": 16, "group1": 8}


def test_a_group_that_loses_nothing_is_not_rounded():
    assert len(allocate({"a": torch.rand(18)}, 0.01, options(round_to=8))["a"]) == 18
    assert len(allocate({"a": torch.rand(18)}, 0.05, options(round_to=8))["a"]) == 16


def test_min_channels_never_exceeds_the_group():
    assert allocate({"a": torch.rand(3)}, 0.9, options(min_channels=5)) == {"a": [0, 1, 2]}


@pytest.mark.parametrize(
    ("size", "ratio", "kept"),
    [(64, 0.3, 48), (64, 0.25, 48), (20, 0.8, 8), (20, 0.1, 16), (6, 0.5, 6), (64, 0, 64)],
)
def test_round_to_keeps_the_nearest_multiple(size, ratio, kept):
    result = allocate({"a": torch.rand(size)}, ratio, options(round_to=8))
    assert len(result["a"]) == kept


def test_normalizers_make_the_global_ranking_independent_of_a_layers_scale():
    values = scores()
    scaled = {**values, "group1": 1000 * values["group1"]}
    for normalizer in ("mean", "max"):
        chosen = options(allocation="global", normalizer=normalizer)
        assert allocate(values, 0.5, chosen) == allocate(scaled, 0.5, chosen)
    chosen = options(allocation="global", normalizer="none")
    assert allocate(values, 0.5, chosen) != allocate(scaled, 0.5, chosen)
