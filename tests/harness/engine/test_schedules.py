"""Learning rates of each schedule, against their closed forms, and trainings that are continued under them."""

from __future__ import annotations

import math

import pytest
import torch
from mmengine.registry import PARAM_SCHEDULERS
from small_training import Interrupt, Rates, network, run

from harness.engine.schedules import PlateauHook, restart_periods, schedulers
from harness.spec.budget import Schedule, TrainingBudget

SGD = {"type": "SGD", "lr": 0.1}


def rates(steps, optimizer=SGD, **schedule):
    """The learning rates of all iterations, from mmengine's own schedulers."""
    budget = TrainingBudget(iterations=steps, optimizer=optimizer, schedule=schedule)
    stepper = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=optimizer["lr"])
    built = [PARAM_SCHEDULERS.build({**config, "optimizer": stepper}) for config in schedulers(budget)]
    found = []
    for _ in range(steps):
        found.append(stepper.param_groups[0]["lr"])
        stepper.step()
        for scheduler in built:
            scheduler.step()
    return found


def test_onecycle_with_its_three_numbers():
    found = rates(1000, type="onecycle", max_lr=0.01, pct_start=0.3, div_factor=25, final_div_factor=1000)
    assert [found[step] for step in (0, 150, 299, 500, 999)] == pytest.approx(
        [4.0e-4, 5.225e-3, 1.0e-2, 8.100e-3, 4.0e-7], rel=2e-4
    )


def test_onecycle_ends_where_it_is_told_to():
    assert rates(1000, type="onecycle", max_lr=0.01, final_div_factor=40)[-1] == pytest.approx(1e-5)


def test_multistep_falls_at_fractions():
    found = rates(10, type="multistep", milestones=[0.5, 0.8], gamma=0.2)
    assert found == pytest.approx([0.1] * 5 + [0.02] * 3 + [0.004] * 2)


def test_restarts_anneal_in_growing_periods():
    found = rates(60, type="restarts", first_period=1 / 6, period_factor=2, eta_min=1e-3)
    assert restart_periods(Schedule(first_period=1 / 6, period_factor=2), 60) == [10, 20, 40]
    begins = [(0, 10), (10, 20), (30, 40)]
    expected = [
        1e-3 + (0.1 - 1e-3) * (1 + math.cos(math.pi * (step - begin) / length)) / 2
        for begin, length in begins
        for step in range(begin, min(begin + length, 60))
    ]
    assert found == pytest.approx(expected)


def test_cosine_and_poly_end_at_the_lowest_rate():
    cosine = rates(20, type="cosine", eta_min=0.01)
    assert cosine == pytest.approx([0.01 + 0.09 * (1 + math.cos(math.pi * step / 20)) / 2 for step in range(20)])
    poly = rates(20, type="poly", power=2.0, eta_min=0.01)
    assert poly == pytest.approx([0.01 + 0.09 * (1 - step / 19) ** 2 for step in range(20)])


@pytest.mark.parametrize("kind", ["poly", "cosine", "restarts", "multistep", "constant"])
def test_a_warmup_rises_to_where_the_curve_begins(kind):
    found = rates(30, type=kind, warmup=10, milestones=[0.5])
    rise = [0.1 * (1e-3 + (1 - 1e-3) * step / 9) for step in range(10)]
    assert found[:10] == pytest.approx(rise)
    assert found[10:] == pytest.approx(rates(20, type=kind, milestones=[0.5]))


def test_a_warmup_as_long_as_the_training_is_all_of_it():
    assert rates(5, type="poly", warmup=9) == pytest.approx([0.1 * (1e-3 + (1 - 1e-3) * step / 4) for step in range(5)])


class Recorder:
    need_val_args = True

    def __init__(self):
        self.seen = []

    def step(self, metrics):
        self.seen.append(metrics["loss"])


class FakeRunner:
    def __init__(self):
        self.param_schedulers = [Recorder()]
        self.iter = 0


def test_plateau_sees_the_mean_of_each_window_behind_the_warmup():
    runner, hook = FakeRunner(), PlateauHook(Schedule(type="plateau", window=3, warmup=2))
    for step in range(9):
        runner.iter = step
        hook.after_train_iter(runner, step, outputs={"loss": torch.tensor(float(step))})
    assert runner.param_schedulers[0].seen == [3.0, 6.0]


def test_plateau_falls_once_the_loss_is_no_better(tmp_path):
    """A rate of nearly nothing leaves the loss where it is: each window of 2 behind the first is a bad one."""
    seen = Rates()
    budget = TrainingBudget(
        iterations=12, batch_size=64, optimizer={"type": "SGD", "lr": 1e-6},
        schedule={"type": "plateau", "window": 2, "patience": 1, "gamma": 0.5},
    )  # fmt: skip
    model = network()
    model.body[2].p = 0.0
    run(model, budget, tmp_path / "plateau", [seen])
    assert seen.found == pytest.approx([1e-6] * 6 + [5e-7] * 4 + [2.5e-7] * 2, rel=1e-9)


SCHEDULES = {
    "onecycle": {"type": "onecycle", "pct_start": 0.5, "div_factor": 5, "final_div_factor": 10},
    "poly": {"type": "poly", "warmup": 4},
    "cosine": {"type": "cosine", "eta_min": 0.001},
    "restarts": {"type": "restarts", "first_period": 0.2, "period_factor": 2},
    "multistep": {"type": "multistep", "milestones": [0.4, 0.8], "warmup": 2},
    "plateau": {"type": "plateau", "window": 3, "patience": 0, "gamma": 0.5},
    "constant": {"type": "constant"},
}


@pytest.mark.parametrize("accumulate", [1, 4])
@pytest.mark.parametrize("kind", SCHEDULES)
def test_an_interrupted_training_goes_on_exactly(kind, accumulate, tmp_path):
    """Interrupted within a window of the plateau, and within an optimiser step where gradients are accumulated."""
    more = {"accumulate": accumulate, "clip_norm": 0.5} if accumulate > 1 else {}
    budget = TrainingBudget(iterations=20, batch_size=8, optimizer=SGD, schedule=SCHEDULES[kind], **more)
    whole, seen = network(), Rates()
    expected = run(whole, budget, tmp_path / "whole", [seen])
    work, first, second = tmp_path / "interrupted", Rates(), Rates()
    with pytest.raises(KeyboardInterrupt):
        run(network(), budget, work, [first, Interrupt(at=12)])
    torch.manual_seed(99)  # another process has other random states
    continued = network()
    outcome = run(continued, budget, work, [second])
    assert outcome.continued_from == (10 if accumulate == 1 else 8)
    assert outcome.final_loss == expected.final_loss
    assert first.found[: outcome.continued_from] + second.found == seen.found
    for name, value in whole.state_dict().items():
        assert torch.equal(value, continued.state_dict()[name]), name
    if kind == "plateau":
        assert len(set(seen.found)) > 1
