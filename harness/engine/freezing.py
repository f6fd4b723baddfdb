"""Parameters that a training leaves alone, for some iterations or to its end."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from harness.engine.membership import unwrapped
from harness.errors import UserError


class FreezeHook(Hook):
    """Takes parameters out of the training and puts them back.

    Modules of whose parameters all are frozen are in eval mode meanwhile, so that the statistics of normalisations stay
    too. A parameter without gradient is left alone by the optimiser, weight decay included.

    Args:
        patterns: Names of parameters, with `*`; each must be that of one at least.
        iterations: How long; `None` for the whole training.
    """

    def __init__(self, patterns: Sequence[str], iterations: int | None = None) -> None:
        self._patterns = tuple(patterns)
        self._iterations = iterations
        self._frozen: list[nn.Parameter] = []
        self._still: list[nn.Module] = []

    def before_train(self, runner: Runner) -> None:
        """Freezes them.

        Raises:
            UserError: A pattern fits no parameter, or nothing is left to be trained.
        """
        if self._is_over(runner):
            return
        model = unwrapped(runner.model)
        trainable = {name: part for name, part in model.named_parameters() if part.requires_grad}
        self._frozen = [trainable[name] for name in self._chosen(trainable)]
        if len(self._frozen) == len(trainable):
            message = f"freeze: {', '.join(self._patterns)} leaves no parameter to be trained"
            raise UserError(message, "Freeze a part, e.g. backbone.*")
        for part in self._frozen:
            part.requires_grad_(False)
        self._still = [module for module in model.modules() if _is_still(module)]

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keeps them frozen, or ends it."""
        del batch_idx, data_batch
        if self._is_over(runner):
            self._release()
        for module in self._still:
            module.train(False)

    def after_train(self, runner: Runner) -> None:
        """Ends it: whoever trains the model next decides anew."""
        del runner
        self._release()

    def _is_over(self, runner: Runner) -> bool:
        return self._iterations is not None and runner.iter >= self._iterations

    def _release(self) -> None:
        for part in self._frozen:
            part.requires_grad_(True)
        for module in self._still:
            module.train(True)
        self._frozen, self._still = [], []

    def _chosen(self, names: Any) -> list[str]:
        found = {pattern: [name for name in names if fnmatchcase(name, pattern)] for pattern in self._patterns}
        for pattern, fitting in found.items():
            if not fitting:
                message = f"freeze: no trainable parameter is called {pattern}"
                raise UserError(message, f"Names look like {next(iter(names))}; * stands for any text.")
        return list(dict.fromkeys(name for fitting in found.values() for name in fitting))


def _is_still(module: nn.Module) -> bool:
    parts = list(module.parameters())
    return bool(parts) and module.training and not any(part.requires_grad for part in parts)
