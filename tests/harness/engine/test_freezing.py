import pytest
import torch
from small_training import Interrupt, network, run

from harness.engine.freezing import FreezeHook
from harness.errors import UserError
from harness.spec.budget import TrainingBudget

BUDGET = TrainingBudget(
    iterations=6,
    batch_size=4,
    optimizer={"type": "AdamW", "lr": 0.1, "weight_decay": 0.5},
    schedule={"type": "constant"},
)


def changed(before, model):
    return {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_frozen_weights_and_statistics_stay_and_are_free_afterwards(tmp_path):
    model = network()
    before = state(model)
    run(model, BUDGET, tmp_path, [FreezeHook(["body.0.*", "body.1.*"])])
    assert changed(before, model) == {"body.3.weight", "body.3.bias"}
    assert all(part.requires_grad for part in model.parameters())


def test_what_was_frozen_before_stays_so(tmp_path):
    model = network()
    model.body[0].bias.requires_grad_(False)
    run(model, BUDGET, tmp_path, [FreezeHook(["body.0.*"], 2)])
    assert not model.body[0].bias.requires_grad
    assert model.body[0].weight.requires_grad


def test_it_ends_behind_its_iterations(tmp_path):
    model = network()
    before, found = state(model), []

    class Watch(Interrupt):
        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            found.append("body.0.weight" in changed(before, model))

    run(model, BUDGET, tmp_path, [FreezeHook(["body.0.*"], 4), Watch(0)])
    assert found == [False] * 4 + [True] * 2


@pytest.mark.parametrize(("pattern", "message"), [("spine.*", "called spine"), ("*", "leaves no parameter")])
def test_patterns_must_fit_something_and_not_everything(tmp_path, pattern, message):
    with pytest.raises(UserError, match=message):
        run(network(), BUDGET, tmp_path, [FreezeHook([pattern])])
