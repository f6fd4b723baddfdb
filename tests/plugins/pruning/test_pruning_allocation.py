import pytest
import torch

from bench_pruning.allocation import allocate, normalized
from bench_pruning.descriptors import PruningOptions


def scores(seed=0, sizes=(7, 16, 5)):
    generator = torch.Generator().manual_seed(seed)
    return {f"group{i}": torch.rand(size, generator=generator) for i, size in enumerate(sizes)}


def options(**values):
    return PruningOptions(**values)


def total(kept):
    return sum(map(len, kept.values()))


def test_uniform_keeps_the_highest_scores_of_each_group():
    kept = allocate({"a": torch.tensor([3.0, 1.0, 2.0, 4.0]), "b": torch.tensor([9.0, 8.0])}, 0.5, options())
    assert kept == {"a": [0, 3], "b": [0]}


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.25, 0.5, 0.77, 0.99])
def test_uniform_counts_are_exact(ratio):
    kept = allocate(scores(), ratio, options())
    sizes = {"group0": 7, "group1": 16, "group2": 5}
    assert {name: len(k) for name, k in kept.items()} == {
        name: max(1, size - round(ratio * size)) for name, size in sizes.items()
    }


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.25, 0.5, 0.77])
@pytest.mark.parametrize("normalizer", ["none", "mean", "max"])
def test_global_counts_are_exact(ratio, normalizer):
    kept = allocate(scores(), ratio, options(allocation="global", normalizer=normalizer))
    assert total(kept) == 28 - round(ratio * 28)


def test_global_removes_the_lowest_scores_of_all():
    values = {"a": torch.tensor([1.0, 2.0, 9.0]), "b": torch.tensor([5.0, 6.0, 7.0])}
    assert allocate(values, 0.5, options(allocation="global", normalizer="none")) == {"a": [2], "b": [1, 2]}


@pytest.mark.parametrize("allocation", ["uniform", "global"])
def test_ties_remove_neither_more_nor_fewer_than_asked(allocation):
    values = {"a": torch.ones(10), "b": torch.ones(6)}
    kept = allocate(values, 0.5, options(allocation=allocation))
    assert total(kept) == 8
    assert all(kept.values())


@pytest.mark.parametrize("allocation", ["uniform", "global"])
@pytest.mark.parametrize("round_to", [1, 4])
def test_larger_ratios_keep_subsets(allocation, round_to):
    chosen = options(allocation=allocation, round_to=round_to)
    previous = allocate(scores(), 0.0, chosen)
    for ratio in torch.linspace(0.05, 0.95, 19).tolist():
        kept = allocate(scores(), ratio, chosen)
        assert all(set(kept[name]) <= set(previous[name]) for name in kept)
        previous = kept


@pytest.mark.parametrize("allocation", ["uniform", "global"])
def test_every_group_keeps_a_channel(allocation):
    values = {"poor": torch.full((8,), 1e-6), "rich": torch.full((8,), 1e6)}
    kept = allocate(values, 0.99, options(allocation=allocation, normalizer="none"))
    assert {name: len(k) for name, k in kept.items()} == {"poor": 1, "rich": 1}


def test_a_global_ratio_is_met_in_full_next_to_a_floor():
    values = {"poor": torch.full((8,), 1e-6), "rich": torch.full((8,), 1e6)}
    kept = allocate(values, 0.75, options(allocation="global", normalizer="none", min_channels=2))
    assert {name: len(k) for name, k in kept.items()} == {"poor": 2, "rich": 2}


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


def test_normalized_keeps_order_of_negative_scores_and_survives_zeros():
    assert normalized(torch.tensor([-3.0, -1.0]), "mean").tolist() == [-1.5, -0.5]
    assert normalized(torch.zeros(3), "max").tolist() == [0, 0, 0]
