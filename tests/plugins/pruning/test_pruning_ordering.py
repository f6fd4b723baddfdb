import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench_pruning.descriptors import PruningOptions
from bench_pruning.ordering import normalized, removal_order

scores = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(-3, 9), min_size=1, max_size=12).map(torch.DoubleTensor), min_size=1
)


def owners(order):
    return [list(order.rankings)[position] for position in order.owners]


def test_uniform_groups_of_one_size_take_turns():
    order = removal_order({"a": torch.tensor([3.0, 1.0, 2.0]), "b": torch.tensor([7.0, 8.0, 9.0])}, PruningOptions())
    assert owners(order) == ["a", "b", "a", "b"]
    assert order.rates.tolist() == [0.5 / 3, 0.5 / 3, 0.5, 0.5]
    assert [order.kept(prefix) for prefix in (1, 4)] == [{"a": [0, 2], "b": [0, 1, 2]}, {"a": [0], "b": [2]}]


def test_uniform_takes_most_from_the_largest_group():
    order = removal_order({"a": torch.rand(2), "b": torch.rand(6)}, PruningOptions())
    assert owners(order) == ["b", "a", "b", "b", "b", "b"]


def test_global_goes_by_normalized_score():
    values = {"a": torch.tensor([2.0, 4.0]), "b": torch.tensor([10.0, 50.0, 90.0])}
    order = removal_order(values, PruningOptions(allocation="global"))
    assert owners(order) == ["b", "a", "b"]
    assert order.rates.tolist() == [0.1, 0.3, 0.5]
    plain = removal_order(values, PruningOptions(allocation="global", normalizer="none"))
    assert owners(plain) == ["a", "b", "b"]


def test_of_equal_scores_the_lower_index_goes_first():
    order = removal_order({"a": torch.ones(4)}, PruningOptions(allocation="global"))
    assert [order.kept(prefix)["a"] for prefix in range(4)] == [[0, 1, 2, 3], [1, 2, 3], [2, 3], [3]]


def test_protected_channels_have_no_place_in_the_order():
    order = removal_order({"a": torch.rand(4), "b": torch.rand(8)}, PruningOptions(allocation="global"), {"b"})
    assert owners(order) == ["a", "a", "a"]
    assert order.rates.tolist() == [0.125, 0.375, 0.625]
    assert order.counts("b").tolist() == [8, 8, 8, 8]


@given(scores, st.sampled_from(["uniform", "global"]), st.integers(1, 5))
def test_counts_and_kept_channels_agree_at_every_prefix(values, allocation, multiple):
    order = removal_order(values, PruningOptions(allocation=allocation, round_to=multiple))
    assert (np.diff(order.rates) >= 0).all()
    for prefix in range(len(order) + 1):
        kept = order.kept(prefix)
        assert {name: len(channels) for name, channels in kept.items()} == {
            name: order.counts(name)[prefix] for name in values
        }


def test_normalized_keeps_order_of_negative_scores_and_survives_zeros():
    assert normalized(np.array([-3.0, -1.0]), "mean").tolist() == [-1.5, -0.5]
    assert normalized(np.array([1.0, -4.0]), "max").tolist() == [0.25, -1.0]
    assert normalized(np.array([3.0, 5.0]), "none").tolist() == [3.0, 5.0]
    assert normalized(np.zeros(3), "max").tolist() == [0, 0, 0]
