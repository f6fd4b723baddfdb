from types import MappingProxyType

import pytest

from harness.errors import UserError
from harness.spec.budget import TrainingBudget, completed_budget, split_budget

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


@pytest.mark.parametrize(
    ("iterations", "parts", "expected"),
    [(7, 1, [7]), (9, 3, [3, 3, 3]), (11, 3, [3, 3, 5]), (3, 3, [1, 1, 1]), (39, 20, [1] * 19 + [20])],
)
def test_parts_of_a_budget_spend_it_exactly_and_differ_in_nothing_else(iterations, parts, expected):
    whole = TrainingBudget.model_validate({**RECOMMENDED, "iterations": iterations, "amp": True})
    split = split_budget(whole, parts)
    assert [part.iterations for part in split] == expected
    assert all(part.model_copy(update={"iterations": iterations}) == whole for part in split)


def test_a_part_without_an_iteration_is_refused():
    with pytest.raises(UserError, match="2 iterations cannot be split into 3") as raised:
        split_budget(TrainingBudget(iterations=2), 3)
    assert "at least" in raised.value.hint
