"""How the learning rate moves, as mmengine's schedulers."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from harness.spec.budget import Schedule, TrainingBudget

_KEY = "bench_plateau"
_WARMUP_START = 1e-3


def schedulers(budget: TrainingBudget) -> list[dict[str, Any]]:
    """Returns the configs of mmengine's schedulers: the warm-up, if there is one, and the curve behind it.

    A warm-up that is as long as the training is the whole of it.
    """
    schedule, steps = budget.schedule, budget.iterations
    begin = min(schedule.warmup, steps)
    rise = [{"type": "LinearLR", "start_factor": _WARMUP_START, "by_epoch": False, "begin": 0, "end": begin}]
    curve = _curve(budget, steps - begin) if begin < steps else None
    if curve is not None and schedule.type != "plateau":
        curve.update(by_epoch=False, begin=begin, end=steps)
    return (rise if begin else []) + ([curve] if curve else [])


def _curve(budget: TrainingBudget, steps: int) -> dict[str, Any] | None:
    """Returns the config of the curve over the iterations behind the warm-up; `None` for a constant rate."""
    schedule = budget.schedule
    lowest = {"eta_min": schedule.eta_min}
    if schedule.type == "onecycle":
        division = {"div_factor": schedule.div_factor, "final_div_factor": schedule.final_div_factor}
        peak = schedule.max_lr or budget.optimizer["lr"]
        return {
            "type": "OneCycleLR", "eta_max": peak, "total_steps": steps, "pct_start": schedule.pct_start, **division
        }  # fmt: skip
    if schedule.type == "poly":
        return {"type": "PolyLR", "power": schedule.power, **lowest}
    if schedule.type == "cosine":
        return {"type": "CosineAnnealingLR", "T_max": steps, **lowest}
    if schedule.type == "restarts":
        periods = restart_periods(schedule, steps)
        return {"type": "CosineRestartLR", "periods": periods, "restart_weights": [1.0] * len(periods), **lowest}
    if schedule.type == "multistep":
        milestones = sorted({round(fraction * steps) for fraction in schedule.milestones})
        return {"type": "MultiStepLR", "milestones": milestones, "gamma": schedule.gamma}
    if schedule.type == "plateau":
        patience = {"factor": schedule.gamma, "patience": schedule.patience, "min_value": schedule.eta_min}
        return {"type": "ReduceOnPlateauLR", "monitor": "loss", "rule": "less", **patience}
    return None


def restart_periods(schedule: Schedule, steps: int) -> list[int]:
    """Returns the lengths in iterations of the cosine's periods, which together last for `steps` at least.

    The first takes `first_period` of them, each further one `period_factor` times the one before.

    Source: Loshchilov and Hutter, SGDR: Stochastic Gradient Descent with Warm Restarts (2017), section 3.

    Example:
        >>> restart_periods(Schedule(first_period=1 / 6, period_factor=2), 60)
        [10, 20, 40]
    """
    length, periods = max(1.0, schedule.first_period * steps), list[int]()
    while sum(periods) < steps:
        periods.append(round(length))
        length *= schedule.period_factor
    return periods


class PlateauHook(Hook):
    """Shows mmengine's plateau scheduler the mean training loss of each window of iterations.

    mmengine shows it validation figures, of which a training here has none.

    Args:
        schedule: Its window, and its warm-up, whose losses do not count.
    """

    priority = "NORMAL"  # before checkpoints are written

    def __init__(self, schedule: Schedule) -> None:
        self._window = schedule.window
        self._begin = schedule.warmup
        self._sum: torch.Tensor | float = 0.0

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Adds the loss; behind a window's last iteration the scheduler sees the mean."""
        if runner.iter < self._begin:
            return
        self._sum = self._sum + (outputs or {})["loss"].detach().double()
        if (runner.iter + 1 - self._begin) % self._window:
            return
        mean, self._sum = float(self._sum) / self._window, 0.0
        for scheduler in runner.param_schedulers:
            if getattr(scheduler, "need_val_args", False):
                scheduler.step({"loss": mean})

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds the sum of the window that has begun."""
        checkpoint[_KEY] = {"sum": float(self._sum)}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Goes on in the window that had begun."""
        self._sum = float(checkpoint[_KEY]["sum"])
