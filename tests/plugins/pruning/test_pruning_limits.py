import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench_pruning.descriptors import PruningOptions
from bench_pruning.limits import fewest_kept, rounded


@pytest.mark.parametrize(
    ("size", "chosen", "fewest"),
    [
        (8, {}, 1),
        (8, {"min_channels": 3}, 3),
        (2, {"min_channels": 3}, 2),
        (10, {"max_ratio": 0.25}, 8),
        (10, {"max_ratio": 0.25, "min_channels": 9}, 9),
        (100, {"max_ratio": 0.29}, 71),
        (3, {"max_ratio": 0.1}, 3),
    ],
)
def test_the_strictest_limit_counts(size, chosen, fewest):
    assert fewest_kept(size, PruningOptions(**chosen)) == fewest


@pytest.mark.parametrize(
    ("size", "kept", "chosen", "expected"),
    [
        (64, 44, {}, 48),
        (64, 43, {}, 40),
        (64, 2, {}, 8),
        (20, 20, {}, 20),
        (20, 19, {}, 16),
        (6, 3, {}, 6),
        (20, 10, {"min_channels": 10}, 16),
        (20, 18, {"min_channels": 18}, 20),
        (20, 15, {"max_ratio": 0.25}, 16),
    ],
)
def test_counts_are_multiples_of_eight_within_the_limits(size, kept, chosen, expected):
    assert int(rounded(np.array(kept), size, PruningOptions(round_to=8, **chosen))) == expected


@given(
    st.integers(1, 300),
    st.builds(
        PruningOptions,
        round_to=st.integers(1, 40),
        min_channels=st.integers(1, 50),
        max_ratio=st.floats(0.01, 1),
    ),
)
def test_rounding_keeps_order_limits_and_multiples(size, options):
    fewest = fewest_kept(size, options)
    before = np.arange(fewest, size + 1)
    after = rounded(before, size, options)
    assert after[-1] == size
    assert (np.diff(after) >= 0).all()
    assert (after >= max(1, fewest)).all()
    assert ((after % options.round_to == 0) | (after == size)).all()
    assert options.round_to > 1 or (after == before).all()


@given(st.integers(1, 2000), st.integers(1, 100))
def test_max_ratio_means_the_decimal_that_was_written(size, percent):
    options = PruningOptions(max_ratio=percent / 100)
    assert size - fewest_kept(size, options) == min(size - 1, size * percent // 100)
