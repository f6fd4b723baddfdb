"""The penalty on the cost of the expected network, and that cost."""

import math

import pytest
import torch

from bench_pruning.channels.costs import CostModel, CostTerm, Width
from bench_pruning.dmcp.penalty import cost_penalty, expected_cost


def value_and_slope(expected, target):
    mean = torch.tensor(expected * 1e6, dtype=torch.float64, requires_grad=True)
    penalty = cost_penalty(mean, target * 1e6)
    penalty.backward()
    return penalty.item(), mean.grad.item() * 1e6


def test_far_below_the_target():
    """More than 200 million apart: log(0.1 * 900)."""
    assert value_and_slope(100, 1000) == (pytest.approx(math.log(90)), pytest.approx(-1 / 900))


def test_near_below_the_target():
    assert value_and_slope(900, 1000) == (pytest.approx(math.log(100)), pytest.approx(-1 / 100))


def test_just_below_the_target_nothing_pulls():
    assert value_and_slope(970, 1000) == (0, 0)


def test_above_the_target_it_pulls_towards_95_percent_of_it():
    assert value_and_slope(1050, 1000) == (pytest.approx(math.log(100)), pytest.approx(1 / 100))
    assert value_and_slope(1000, 1000) == (pytest.approx(math.log(50)), pytest.approx(1 / 50))


def test_small_networks_have_negative_values_and_the_same_relative_slope():
    value, slope = value_and_slope(1, 2)
    assert (value, slope) == (pytest.approx(0), pytest.approx(-1))
    small, small_slope = value_and_slope(0.01, 0.02)
    assert small == pytest.approx(math.log(0.01))
    assert small_slope * 0.02 == pytest.approx(slope * 2)


def test_the_cost_of_whole_widths_is_the_counted_one():
    costs = CostModel(
        (
            CostTerm(9, (Width(3), Width(0, (("a", 1),)))),
            CostTerm(9, (Width(0, (("a", 1),)), Width(2, (("b", 2),)))),
            CostTerm(5, (Width(0, (("b", 1),)), Width(0, (("b", 1),)))),
        )
    )
    widths = {"a": 7, "b": 4}
    tensors = {name: torch.tensor(float(width), requires_grad=True) for name, width in widths.items()}
    cost = expected_cost(costs, tensors)
    assert cost.item() == costs.count(widths)
    cost.backward()
    assert tensors["b"].grad.item() == 9 * 7 * 2 + 5 * 2 * 4
