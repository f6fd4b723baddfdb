"""Clipped and accumulated gradients, and activations that are computed twice."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from small_training import network, run
from torch import nn

from harness.engine.activation_checkpointing import checkpointed
from harness.engine.continuation import checkpoint_interval
from harness.errors import UserError
from harness.spec.budget import TrainingBudget

SGD = {"type": "SGD", "lr": 1.0}


def plain_network():
    """Without what depends on how samples are grouped."""
    model = network()
    model.body = nn.Sequential(model.body[0], model.body[3])
    return model


def budget(**more):
    constant = {"type": "constant"}
    return TrainingBudget(**{"iterations": 1, "batch_size": 16, "optimizer": SGD, "schedule": constant, **more})


def moved(model, before):
    return torch.cat([(new - old).flatten() for new, old in zip(model.parameters(), before.parameters(), strict=True)])


def test_a_gradient_is_clipped_to_the_norm(tmp_path):
    before = plain_network()
    free, clipped = copy.deepcopy(before), copy.deepcopy(before)
    run(free, budget(), tmp_path / "free")
    run(clipped, budget(clip_norm=0.25), tmp_path / "clipped")
    step = moved(free, before)
    assert step.norm() > 0.5
    torch.testing.assert_close(moved(clipped, before), 0.25 * step / step.norm(), rtol=1e-4, atol=1e-6)


def test_accumulated_batches_make_the_step_of_one_large_batch(tmp_path):
    large, small = plain_network(), plain_network()
    run(large, budget(), tmp_path / "large")
    outcome = run(small, budget(iterations=4, batch_size=4, accumulate=4), tmp_path / "small")
    assert outcome.iterations == 1
    torch.testing.assert_close(moved(small, large), torch.zeros(moved(small, large).shape), rtol=0.0, atol=1e-6)


def test_the_batches_that_are_left_over_make_a_step_of_their_own(tmp_path):
    assert run(network(), budget(iterations=5, batch_size=4, accumulate=2), tmp_path / "rest").iterations == 3


@pytest.mark.parametrize(
    ("iterations", "accumulate", "interval"), [(100, 1, 10), (5, 1, 1), (100, 4, 12), (5, 4, 4), (100, 5, 10)]
)
def test_checkpoints_lie_between_optimiser_steps(iterations, accumulate, interval):
    assert checkpoint_interval(iterations, accumulate) == interval


def test_activations_that_are_computed_twice_change_nothing(tmp_path):
    """Neither the statistics of batch normalisation nor the random numbers of dropout."""
    kept, again = network(), network()
    run(kept, budget(iterations=3, optimizer={"type": "SGD", "lr": 0.1}), tmp_path / "kept")
    calls = []
    again.body.register_forward_hook(lambda *call: calls.append(1))
    again.body[0].register_forward_hook(lambda *call: calls.append(2))
    twice = budget(iterations=3, optimizer={"type": "SGD", "lr": 0.1}, activation_checkpointing=["body"])
    run(again, twice, tmp_path / "again")
    assert (calls.count(1), calls.count(2)) == (3, 6)
    for name, value in kept.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert "forward" not in vars(again.body)
    assert again.body[1].momentum == kept.body[1].momentum == 0.1


def test_without_gradients_nothing_is_computed_twice():
    model, calls = nn.Sequential(nn.Linear(2, 2)), []
    model[0].register_forward_hook(lambda *call: calls.append(1))
    with checkpointed(nn.ModuleDict({"part": model}), ["part"]), torch.no_grad():
        model(torch.zeros(1, 2))
    assert calls == [1]


def test_a_forward_of_a_modules_own_is_put_back():
    model = nn.Sequential(nn.Linear(2, 2))
    model[0].forward = own = lambda x: x + 1.0
    with checkpointed(model, ["0", "0"]):
        assert model(torch.ones(1, 2, requires_grad=True)).tolist() == [[2.0, 2.0]]
        assert model[0].forward is not own
    assert model[0].forward is own


def test_an_unknown_module(tmp_path):
    with pytest.raises(UserError, match="no module 'backbone'") as raised:
        run(network(), budget(activation_checkpointing=["backbone"]), tmp_path / "unknown")
    assert "body.0, body.1, body.3" in raised.value.hint


def test_curves_are_written_to_a_visualizer(tmp_path):
    folder = tmp_path / "curves"
    backend = {"type": "LocalVisBackend", "save_dir": str(folder)}
    trained = budget(iterations=50, batch_size=4, optimizer={"type": "SGD", "lr": 0.01})
    run(network(), trained, tmp_path / "work", visualizers=[backend])
    lines = [json.loads(line) for line in (folder / "scalars.json").read_text().splitlines()]
    assert lines[-1]["step"] == 50
    assert lines[-1]["loss"] > 0.0
