"""Random states of a training's processes: each draws numbers of its own, for dropout say.

An interrupted training goes on as if nothing had happened, though the checkpoint is written by process 0 alone.
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_gather
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.utils import set_random_seed

_KEY = "bench_members"


class MemberStatesHook(Hook):
    """Seeds each process, stores torch's states of all of them in each checkpoint, and gives each its own back.

    Args:
        seed: Of the training; process r begins with this plus r.
        interval: Iterations between two checkpoints.
    """

    # Behind `ContinuationHook`, which restores the states of process 0; before the checkpoint is written.
    priority = "HIGH"

    def __init__(self, seed: int, interval: int) -> None:
        self._seed = seed
        self._interval = interval
        self._gathered: list[list[torch.Tensor]] = []
        self._waiting: list[torch.Tensor] | None = None

    def before_train(self, runner: Runner) -> None:
        """Seeds; mmengine's own option for it would also have samplers draw another order than one process does."""
        set_random_seed(self._seed, diff_rank_seed=True)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Collects the states in front of a checkpoint: all processes take part in it."""
        if self.every_n_train_iters(runner, self._interval):
            self._gathered = [all_gather(state) for state in _states()]

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Adds them, a list a generator."""
        checkpoint[_KEY] = self._gathered

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keeps our own until the data loader has caught up."""
        self._waiting = [of_processes[runner.rank].cpu() for of_processes in checkpoint[_KEY]]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Puts them back in front of the first step that is new."""
        if self._waiting is None:
            return
        torch.set_rng_state(self._waiting[0])
        if len(self._waiting) > 1:
            torch.cuda.set_rng_state(self._waiting[1])
        self._waiting = None


def _states() -> list[torch.Tensor]:
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_initialized() else []  # type: ignore[no-untyped-call]
    return [torch.get_rng_state(), *cuda]
