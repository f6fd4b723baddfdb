import time
from itertools import combinations

import numpy as np
import pytest
import torch

from bench_pruning.criteria.clique import greedy_removal
from bench_pruning.criteria.redundancy import redundancy_sum


def symmetric(size, seed=0, *, integers=False):
    generator = torch.Generator().manual_seed(seed)
    values = (
        torch.randint(0, 50, (size, size), generator=generator)
        if integers
        else torch.rand(size, size, generator=generator)
    )
    upper = values.double().triu()
    return upper + upper.triu(1).T


def straightforward(matrix, *, diagonal=False):
    """All sums anew at each step, O(C^3)."""
    weights = matrix.numpy().copy()
    if not diagonal:
        np.fill_diagonal(weights, 0)
    left, total = np.ones(len(weights), dtype=bool), weights.sum(axis=1)
    order, scores = [], np.zeros(len(weights))
    for _ in range(len(weights)):
        sums = np.where(left, weights.sum(axis=1), -np.inf)
        tied = np.flatnonzero(sums >= sums.max() - 1e-12)
        channel = int(tied[total[tied].argmax()] if left.sum() == 2 else tied[0])
        order.append(channel)
        scores[channel] = -sums[channel]
        left[channel] = False
        weights[channel, :] = weights[:, channel] = 0
    return order, scores


def cost(matrix, channels):
    return sum(float(matrix[i, j]) for i, j in combinations(channels, 2))


def optimum(matrix, count):
    return min(cost(matrix, chosen) for chosen in combinations(range(len(matrix)), count))


def kept(matrix, count):
    return sorted(greedy_removal(matrix).order[len(matrix) - count :].tolist())


def test_the_toy_of_three_channels():
    matrix = torch.tensor([[0.0, 5, 1], [5, 0, 3], [1, 3, 0]])
    removal = greedy_removal(matrix)
    assert removal.order.tolist() == [1, 0, 2]
    assert removal.scores.tolist() == [-1, -8, 0]
    assert kept(matrix, 2) == [0, 2]
    assert cost(matrix, [0, 2]) == optimum(matrix, 2) == 1


def test_greedy_is_not_exact():
    matrix = torch.tensor([[0.0, 0, 3, 2], [0, 0, 4, 5], [3, 4, 0, 2], [2, 5, 2, 0]])
    assert kept(matrix, 2) == [2, 3]
    assert (cost(matrix, [2, 3]), optimum(matrix, 2)) == (2, 0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [2, 5, 8])
def test_greedy_against_all_choices(size, seed):
    matrix = symmetric(size, seed).fill_diagonal_(0)
    for count in range(1, size + 1):
        found = cost(matrix, kept(matrix, count))
        best = optimum(matrix, count)
        assert found >= best - 1e-12
        if count in (1, size - 1, size):
            assert found == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("diagonal", [False, True])
def test_sums_kept_up_to_date_are_those_made_anew(diagonal):
    exact = symmetric(60, integers=True)
    order, scores = straightforward(exact, diagonal=diagonal)
    removal = greedy_removal(exact, diagonal=diagonal)
    assert removal.order.tolist() == order
    assert removal.scores.tolist() == scores.tolist()
    rounded = symmetric(60)
    order, scores = straightforward(rounded, diagonal=diagonal)
    removal = greedy_removal(rounded, diagonal=diagonal)
    assert removal.order.tolist() == order
    np.testing.assert_allclose(removal.scores, scores, rtol=0, atol=1e-12)


def seconds(run):
    start = time.process_time()
    run()
    return time.process_time() - start


def test_all_steps_for_two_thousand_channels_take_less_than_a_few_of_the_straightforward_search():
    matrix = symmetric(2048)
    # One such step sums the whole matrix, and there are 2,048; benchmarks/greedy_clique.py compares all of them.
    step = min(seconds(lambda: matrix.numpy().sum(axis=1)) for _ in range(5))
    assert min(seconds(lambda: greedy_removal(matrix)) for _ in range(3)) < 100 * step


def test_the_matrix_stays_as_it_is():
    matrix = symmetric(9)
    before = matrix.clone()
    greedy_removal(matrix)
    assert torch.equal(matrix, before)


def test_of_the_last_two_the_more_redundant_channel_goes_first():
    matrix = torch.tensor([[0.0, 2, 1], [2, 0, 3], [1, 3, 0]])
    # Without 1, channels 0 and 2 have a redundancy of 1 each; in all they had 3 and 4.
    assert greedy_removal(matrix).order.tolist() == [1, 2, 0]


def test_of_equal_sums_the_lowest_index_goes_first():
    assert greedy_removal(torch.ones(5, 5)).order.tolist() == [0, 1, 2, 3, 4]
    assert greedy_removal(torch.zeros(4, 4)).order.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("matrix", [symmetric(40), symmetric(40, integers=True), torch.ones(6, 6), torch.eye(6)])
@pytest.mark.parametrize("diagonal", [False, True])
def test_a_stable_ranking_by_scores_is_the_order_of_removal(matrix, diagonal):
    removal = greedy_removal(matrix, diagonal=diagonal)
    assert removal.scores.argsort(stable=True).tolist() == removal.order.tolist()


def test_scores_follow_a_permutation_of_the_channels_and_grow_with_the_scale():
    matrix = symmetric(30)
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    scores = greedy_removal(matrix).scores
    torch.testing.assert_close(greedy_removal(matrix[order][:, order]).scores, scores[order], rtol=0, atol=1e-11)
    torch.testing.assert_close(greedy_removal(4 * matrix).scores, 4 * scores)


def twins_and_points():
    """Two identical maps on 99 of 100 pixels, and one on the pixel that is left."""
    maps = torch.ones(1, 3, 10, 10)
    maps[0, :2, 0, 0] = 0
    maps[0, 2] = 0
    maps[0, 2, 0, 0] = 1
    return redundancy_sum(maps).abs()


def test_without_the_diagonal_one_of_two_identical_maps_goes_first():
    assert greedy_removal(twins_and_points()).order.tolist() == [0, 1, 2]


def test_with_the_diagonal_a_map_of_one_pixel_goes_before_two_identical_ones():
    removal = greedy_removal(twins_and_points(), diagonal=True)
    assert removal.order.tolist() == [2, 0, 1]
    assert removal.scores[2].item() == pytest.approx(-1, rel=1e-4)
    assert removal.scores[0].item() == pytest.approx(-0.0202, abs=1e-4)
