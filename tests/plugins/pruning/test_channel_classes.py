import numpy as np
import pytest

from bench_pruning.channels.classes import CONSTANT, Classes
from bench_pruning.channels.labels import matching_blocks, permuted, reshaped, vector


def test_united_labels_have_one_representative_however_they_met():
    classes = Classes()
    ids = classes.add(2000)
    classes.unite(ids[:-1], ids[1:], "chain")
    assert set(classes.find(ids).tolist()) == {1}
    other = classes.add(3)
    classes.unite(ids[:3], other[::-1], "mirror")
    assert classes.find(other).tolist() == [1, 1, 1]


def test_classes_agree_with_a_union_find_over_single_pairs():
    generator = np.random.default_rng(0)
    classes = Classes()
    ids = classes.add(60)
    sets = [{int(i)} for i in ids]
    for _ in range(8):
        one, other = generator.integers(1, 61, 6), generator.integers(1, 61, 6)
        classes.unite(one, other, "")
        for a, b in zip(one.tolist(), other.tolist(), strict=True):
            first, second = (next(s for s in sets if i in s) for i in (a, b))
            if first is not second:
                sets.remove(second)
                first |= second
        roots = classes.find(ids).tolist()
        assert {frozenset(i for i, r in zip(ids.tolist(), roots, strict=True) if r == root) for root in roots} == {
            frozenset(s) for s in sets
        }


def test_what_meets_a_constant_is_pinned_and_nothing_else():
    classes = Classes()
    ids = classes.add(4)
    classes.unite(ids, np.array([CONSTANT, 0, ids[2], ids[2]]), "meets a constant")
    pins = classes.pins()
    assert {i: pins.get(int(classes.find(i))) for i in ids.tolist()} == {
        1: "meets a constant",
        2: "meets a constant",
        3: None,
        4: None,
    }


def test_a_class_stays_when_any_that_it_was_united_with_is_pinned():
    classes = Classes()
    ids = classes.add(6)
    classes.pin(ids[4], "pinned")
    classes.unite(ids[[4, 2]], ids[[2, 0]], "")
    assert [classes.all_stay(i) for i in ids] == [True, False, True, False, True, False]
    assert classes.all_stay(np.array([CONSTANT, ids[0], ids[2]]))
    assert not classes.all_stay(ids)


def test_the_first_reason_counts_and_a_united_class_takes_it_over():
    classes = Classes()
    ids = classes.add(3)
    classes.pin(ids[1], "first")
    classes.pin(ids[1], "second")
    classes.unite(ids[0], ids[1], "")
    assert classes.pins() == {int(classes.find(ids[0])): "first"}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((2, 12, 5), (2, 3, 4, 5), [([0], [0]), ([1], [1, 2]), ([2], [3])]),
        ((1, 8, 4, 4), (1, 8, 16), [([0], [0]), ([1], [1]), ([2, 3], [2])]),
        ((1, 8), (8,), [([0, 1], [0])]),
        ((8,), (8, 1, 1), [([0], [0]), ([], [1]), ([], [2])]),
        ((6, 4), (4, 6), [([0, 1], [0, 1])]),
        ((), (1, 1), [([], [0]), ([], [1])]),
    ],
)
def test_matching_blocks(before, after, expected):
    assert matching_blocks(before, after) == expected


def test_heads_that_are_cut_out_of_a_width_shrink_alike_and_join_again():
    classes = Classes()
    labels = vector(classes.add(12), 3, 2)
    heads = reshaped(labels, (2, 7, 12), (2, 7, 3, 4), classes, "")
    assert list(heads) == [(3,)]
    assert heads[(3,)].shape == (1, 1, 1, 4)
    joined = reshaped(permuted(heads, [0, 2, 1, 3]), (2, 3, 7, 4), (2, 3, 28), classes, "")
    assert classes.find(joined[(2,)]).ravel().tolist() == [1, 2, 3, 4] * 7
    again = reshaped(heads, (2, 7, 3, 4), (2, 7, 12), classes, "")
    assert classes.find(again[(2,)]).ravel().tolist() == [1, 2, 3, 4] * 3


def test_a_flattened_map_repeats_each_channel():
    classes = Classes()
    flat = reshaped(vector(classes.add(3), 4, 1), (1, 3, 2, 2), (1, 12), classes, "")
    assert flat[(1,)].ravel().tolist() == [1] * 4 + [2] * 4 + [3] * 4
