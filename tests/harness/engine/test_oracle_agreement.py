"""Agreement of rankings, against plain enumerations and scipy."""

import math
import random
from itertools import permutations

import pytest
from scipy.stats import spearmanr

from harness.engine.oracle.agreement import agreement, expected_overlap, rank_correlation


def enumerated_overlap(one, other, k):
    """The mean over all ways of breaking ties: over all orders of the channels that are sorted stably."""
    orders = list(permutations(range(len(one))))
    lows = [[set(sorted(order, key=values.__getitem__)[:k]) for order in orders] for values in (one, other)]
    return sum(len(a & b) for a in lows[0] for b in lows[1]) / len(orders) ** 2 / k


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([3.0, 1.0, 2.0, 5.0], [1.0, 0.0, 0.0, 0.0]),
        ([1.0, 1.0, 1.0, 1.0], [0.0, 0.0, 1.0, 2.0]),
        ([1.0, 2.0, 2.0, 2.0], [2.0, 2.0, 1.0, 1.0]),
        ([4.0, 3.0, 2.0, 1.0], [1.0, 2.0, 3.0, 4.0]),
    ],
)
def test_the_overlap_is_the_mean_over_all_ways_to_break_ties(one, other, k):
    assert expected_overlap(one, other, k) == pytest.approx(enumerated_overlap(one, other, k))


def test_without_ties_the_overlap_is_that_of_two_sets():
    random.seed(0)
    one, other = random.sample(range(100), 50), random.sample(range(100), 50)
    lows = [set(sorted(range(50), key=values.__getitem__)[:10]) for values in (one, other)]
    assert expected_overlap(one, other, 10) == pytest.approx(len(lows[0] & lows[1]) / 10)


def test_an_oracle_that_sees_no_difference_agrees_as_chance_does():
    """A figure of few images often does not move whichever channel is taken away."""
    found = agreement([float(number) for number in range(64)], [0.0] * 64)
    assert (found.k, found.channels, found.correlation) == (12, 64, None)
    assert found.accuracy == pytest.approx(found.chance) == pytest.approx(12 / 64)


@pytest.mark.parametrize("values", [5, 1000])
def test_the_correlation_is_scipys(values):
    random.seed(values)
    for _ in range(20):
        one, other = ([float(random.randrange(values)) for _ in range(30)] for _ in range(2))
        assert rank_correlation(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)


def test_channels_that_one_side_says_nothing_of_are_left_out():
    scores, importance = [0.0, math.nan, 2.0, 3.0, 1.0], [5.0, 0.0, math.nan, 7.0, 6.0]
    found = agreement(scores, importance)
    assert (found.channels, found.k, found.accuracy, found.chance) == (3, 1, 1.0, pytest.approx(1 / 3))
    assert found.correlation == pytest.approx(1.0)
    assert agreement([math.nan, 1.0], [0.0, math.nan]) is None


@pytest.mark.parametrize(("channels", "k"), [(1, 1), (9, 1), (10, 2), (64, 12)])
def test_a_fifth_is_redundant_but_one_at_least(channels, k):
    values = [float(number) for number in range(channels)]
    found = agreement(values, values)
    assert (found.k, found.accuracy) == (k, 1.0)
    assert found.correlation == (pytest.approx(1.0) if channels > 1 else None)


def test_an_opposite_ranking_shares_nothing():
    values = [float(number) for number in range(20)]
    found = agreement(values, values[::-1])
    assert (found.accuracy, found.correlation) == (0.0, pytest.approx(-1.0))
