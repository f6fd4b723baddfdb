"""Weights that do not fit are told by name and shape."""

import pytest
import torch
from torch import nn

from harness.engine.weights import load_weights, require_finite
from harness.errors import ShapeMismatchError, UserError


@pytest.fixture
def model():
    return nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 5, 1))


def weights_of(model):
    return {name: value.clone() + 1 for name, value in model.state_dict().items()}


def test_all_weights_arrive(model):
    weights = weights_of(model)
    load_weights(model, weights, "x.pth")
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


def test_what_does_not_fit_is_counted_and_the_first_three_are_named(model):
    before = {name: value.clone() for name, value in model.state_dict().items()}
    weights = {name: value for name, value in weights_of(model).items() if not name.startswith("1.")}
    weights.update({"2.weight": torch.zeros(19, 4, 1, 1), "other": torch.zeros(2)})
    with pytest.raises(ShapeMismatchError) as caught:
        load_weights(model, weights, "x.pth")
    assert caught.value.message == (
        "x.pth: the weights do not fit the model: 5 missing (1.weight [4], 1.bias [4], 1.running_mean [4], ...), "
        "1 unexpected (other [2]), 1 of other shape (2.weight [19, 4, 1, 1] for [5, 4, 1, 1])"
    )
    assert "another model" in caught.value.hint
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_another_number_of_classes_is_said_to_be_likely(model):
    weights = {**weights_of(model), "2.weight": torch.zeros(19, 4, 1, 1), "2.bias": torch.zeros(19)}
    with pytest.raises(ShapeMismatchError) as caught:
        load_weights(model, weights, "x.pth")
    assert "number of classes" in caught.value.hint


def test_weights_that_are_not_finite(model):
    weights = weights_of(model)
    require_finite(model, weights, "x.pth")
    weights["1.running_var"][2] = float("inf")
    weights["0.bias"][0] = float("nan")
    with pytest.raises(UserError, match=r"x\.pth: 2 of 9 weights are not finite \(0\.bias, 1\.running_var\)"):
        require_finite(model, weights, "x.pth")


def test_a_mask_may_be_infinite():
    model = nn.Module()
    model.register_buffer("mask", torch.full((2,), float("-inf")))
    require_finite(model, model.state_dict(), "x.pth")
