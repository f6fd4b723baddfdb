from types import MappingProxyType

from harness.spec.budget import TrainingBudget, completed_budget

RECOMMENDED = {
    "iterations": 1400,
    "optimizer": {"type": "SGD", "lr": 0.1, "momentum": 0.9},
    "schedule": {"type": "poly", "power": 2.0},
}


def test_only_written_keys_replace_the_recommendation():
    partial = TrainingBudget.model_validate({"batch_size": 8, "optimizer": {"lr": 0.01}, "schedule": {"power": 1.0}})
    assert completed_budget(partial, RECOMMENDED) == TrainingBudget.model_validate(
        {
            "iterations": 1400,
            "batch_size": 8,
            "optimizer": {"type": "SGD", "lr": 0.01, "momentum": 0.9},
            "schedule": {"type": "poly", "power": 1.0},
        }
    )


def test_another_optimizer_takes_nothing_from_the_recommended_one():
    partial = TrainingBudget(optimizer={"type": "AdamW", "lr": 0.001})
    assert completed_budget(partial, RECOMMENDED).optimizer == {"type": "AdamW", "lr": 0.001}


def test_nothing_written_is_the_recommendation():
    assert completed_budget(None, MappingProxyType(RECOMMENDED)) == TrainingBudget.model_validate(RECOMMENDED)
    assert completed_budget(None, TrainingBudget(iterations=3)).iterations == 3
