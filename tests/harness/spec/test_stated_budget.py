"""What an identity holds of a budget: keys that came later do not change what has been computed without them."""

import pytest

from harness.errors import UserError
from harness.spec.budget import Schedule, TrainingBudget, completed_budget

FIRST_KEYS = {"iterations", "batch_size", "optimizer", "schedule", "amp"}
FIRST_SCHEDULE_KEYS = {"type", "max_lr", "power"}


def test_a_budget_without_newer_keys_is_stated_as_it_was_before_them():
    stated = TrainingBudget().stated()
    assert set(stated) == FIRST_KEYS
    assert set(stated["schedule"]) == FIRST_SCHEDULE_KEYS


CHANGES = {
    "clip_norm": 1.0,
    "accumulate": 2,
    "activation_checkpointing": ["backbone.layer1"],
    "processes": 2,
}
SCHEDULE_CHANGES = {
    "pct_start": 0.4,
    "div_factor": 10.0,
    "final_div_factor": 1000.0,
    "eta_min": 1e-6,
    "milestones": [0.5],
    "gamma": 0.5,
    "first_period": 0.5,
    "period_factor": 2.0,
    "patience": 3,
    "window": 10,
    "warmup": 5,
}


def test_every_newer_key_is_known_here():
    assert set(TrainingBudget.model_fields) == FIRST_KEYS | set(CHANGES)
    assert set(Schedule.model_fields) == FIRST_SCHEDULE_KEYS | set(SCHEDULE_CHANGES)


@pytest.mark.parametrize("key", CHANGES)
def test_a_newer_key_is_stated_once_it_is_used(key):
    stated = TrainingBudget.model_validate({key: CHANGES[key]}).stated()
    assert stated[key] == CHANGES[key]
    assert set(stated) == FIRST_KEYS | {key}


@pytest.mark.parametrize("key", SCHEDULE_CHANGES)
def test_a_newer_key_of_the_schedule_is_stated_once_it_is_used(key):
    stated = TrainingBudget.model_validate({"schedule": {"type": "poly", key: SCHEDULE_CHANGES[key]}}).stated()
    assert stated["schedule"][key] == SCHEDULE_CHANGES[key]
    assert set(stated["schedule"]) == FIRST_SCHEDULE_KEYS | {key}


def test_what_is_stated_is_the_whole_budget():
    budget = TrainingBudget.model_validate({**CHANGES, "schedule": {"type": "restarts", **SCHEDULE_CHANGES}})
    assert TrainingBudget.model_validate(budget.stated()) == budget
    assert TrainingBudget.model_validate(TrainingBudget().stated()) == TrainingBudget()


def test_a_default_that_is_written_replaces_a_recommendation():
    """Unlike an identity, a merge tells a written default from one that is not written."""
    recommended = {"clip_norm": 1.0, "schedule": {"type": "poly", "warmup": 100}}
    written = TrainingBudget.model_validate({"clip_norm": None, "schedule": {"warmup": 0}})
    completed = completed_budget(written, recommended)
    assert (completed.clip_norm, completed.schedule.warmup) == (None, 0)


def test_onecycle_takes_no_warmup():
    with pytest.raises(UserError, match="schedule.warmup: 100 iterations") as raised:
        completed_budget(TrainingBudget.model_validate({"schedule": {"warmup": 100}}), {})
    assert "pct_start" in raised.value.hint


@pytest.mark.parametrize(("written", "batch"), [({"processes": 3}, 16), ({"processes": 4, "batch_size": 6}, 6)])
def test_processes_share_a_batch_evenly(written, batch):
    with pytest.raises(UserError, match=f"processes: {written['processes']} cannot share a batch of {batch} evenly"):
        completed_budget(TrainingBudget.model_validate(written), {})
    assert completed_budget(TrainingBudget.model_validate({**written, "batch_size": 12}), {}).batch_size == 12
