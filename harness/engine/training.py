"""Training and evaluation on an unmodified `mmengine.Runner`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import broadcast_object_list
from mmengine.hooks import Hook
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import OPTIMIZERS, DefaultScope
from mmengine.runner import Runner
from mmengine.visualization import Visualizer
from torch import nn

from harness.engine.activation_checkpointing import checkpointed
from harness.engine.continuation import (
    ContinuationHook,
    DigestHook,
    checkpoint_hook,
    checkpoint_interval,
    remove_checkpoints,
    usable_checkpoint,
)
from harness.engine.curve import CurveHook, log_interval
from harness.engine.member_states import MemberStatesHook
from harness.engine.membership import SharingHook, join, loader_share, shared
from harness.engine.schedules import PlateauHook, schedulers
from harness.engine.weights import not_finite
from harness.errors import NonFiniteLossError, UserError
from harness.plan.member import MemberJob
from harness.spec.budget import TrainingBudget

Progress = Callable[[int, int, str], None]
_REPORT_EVERY = 10
_QUIET_HOOKS = {"checkpoint": None}


@dataclass(frozen=True)
class TrainingOutcome:
    """What a training spent and where its loss ended.

    Attributes:
        iterations: Optimiser steps that were really taken.
        final_loss: Mean of the last reported losses.
        continued_from: Batches that an earlier, interrupted process had done.
        earlier_seconds: Wall time that these took.
    """

    iterations: int
    final_loss: float
    continued_from: int = 0
    earlier_seconds: float = 0.0


class ProgressHook(Hook):
    """Reports the loss as it goes and stops a training whose loss is not finite."""

    priority = "LOW"

    def __init__(self, progress: Progress, continuation: ContinuationHook) -> None:
        self._progress = progress
        self._continuation = continuation

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: dict[str, Any] | None = None,
    ) -> None:
        """Looks at the loss of every tenth iteration, and of the last one."""
        done = runner.iter + 1
        if done % _REPORT_EVERY and done != runner.max_iters:
            return
        loss = float((outputs or {})["loss"].detach())
        if not math.isfinite(loss):
            message = f"the loss is {loss} at iteration {done} of {runner.max_iters}"
            raise NonFiniteLossError(message)
        self._continuation.losses.append(loss)
        self._progress(done, runner.max_iters, f"loss {loss:.3f}")


def train(
    model: nn.Module,
    *,
    loader: Mapping[str, Any],
    budget: TrainingBudget,
    seed: int,
    scope: str,
    name: str,
    work: Path,
    progress: Progress,
    hooks: Sequence[Any] = (),
    visualizers: Sequence[Mapping[str, Any]] = (),
    member: MemberJob | None = None,
) -> TrainingOutcome:
    """Trains `model` in place for the whole budget, or for what is left of it if `work` holds a checkpoint.

    Args:
        model: Its weights are set and its `init_weights()` does nothing any more.
        loader: mmengine config of the training loader.
        budget: How long and how.
        seed: Of everything random in the training.
        scope: mmengine's default scope.
        name: Unique name of this training within the process.
        work: mmengine's own working folder; an interrupted training's checkpoint in it is continued.
        progress: Called with (iteration, iterations, text).
        hooks: mmengine hooks that a recovery adds.
        visualizers: mmengine's configs of the backends that curves are written to besides the log.
        member: Which of the training's processes this is, of which only the first writes; `None` for the only one.

    Raises:
        NonFiniteLossError: The loss, or in the last steps the weights, became NaN or infinite.
        UserError: The budget asks for what this machine or torch does not have.
    """
    device, writes = next(model.parameters()).device, member is None or member.rank == 0
    _require_possible(budget, device)
    if member is not None:
        join(member, device)
    continuation, masks = ContinuationHook(), not_finite(model)
    checkpoint, interval = _continued(work, model, writes), checkpoint_interval(budget.iterations, budget.accumulate)
    plateau = [PlateauHook(budget.schedule)] if budget.schedule.type == "plateau" else []
    sharing = [SharingHook(interval), MemberStatesHook(seed, interval)] if member is not None else []
    runner = Runner(
        model=model if member is None else shared(model),
        work_dir=str(work),
        train_dataloader=dict(loader) if member is None else loader_share(loader, member.processes),
        train_cfg={
            "type": "IterBasedTrainLoop",
            "max_iters": budget.iterations,
            "val_interval": budget.iterations + 1,
        },
        optim_wrapper=_optim_wrapper(budget),
        param_scheduler=schedulers(budget),
        default_hooks={
            "checkpoint": checkpoint_hook(interval),
            "logger": {
                "type": "LoggerHook",
                "interval": log_interval(budget.iterations),
                "log_metric_by_epoch": False,
            },
        },
        custom_hooks=[
            *sharing,
            *hooks,
            *plateau,
            ProgressHook(progress, continuation),
            continuation,
            DigestHook(interval),
            CurveHook(work),
        ],
        resume=checkpoint is not None,
        load_from=checkpoint,
        launcher="none" if member is None else "pytorch",
        **_common(seed, scope, name, visualizers if writes else ()),
    )
    try:
        with checkpointed(model, budget.activation_checkpointing):
            runner.train()
    finally:
        _forget(runner)
    _require_finite(model, masks)
    if writes:
        remove_checkpoints(work)
    tail = continuation.losses[-5:]
    return TrainingOutcome(
        iterations=-(-int(runner.iter) // budget.accumulate),
        final_loss=sum(tail) / len(tail),
        continued_from=continuation.continued_from,
        earlier_seconds=continuation.earlier_seconds,
    )


def _continued(work: Path, model: nn.Module, writes: bool) -> str | None:
    """Returns the checkpoint that all processes continue from; the one that may rename what it refuses decides."""
    decided = [usable_checkpoint(work, model) if writes else None]
    broadcast_object_list(decided)
    return decided[0]


def evaluate(
    model: nn.Module,
    *,
    loader: Mapping[str, Any],
    evaluator: Mapping[str, Any],
    scope: str,
    name: str,
    work: Path,
    progress: Progress,
    hooks: Sequence[Any] = (),
) -> dict[str, float]:
    """Returns what the framework's own evaluator says of `model` on one pass over the loader."""
    runner = Runner(
        model=model,
        work_dir=str(work),
        test_dataloader=dict(loader),
        test_cfg={"type": "TestLoop"},
        test_evaluator=dict(evaluator),
        default_hooks=_QUIET_HOOKS,
        custom_hooks=[*hooks, _TestProgressHook(progress)],
        **_common(0, scope, name),
    )
    try:
        return {key: float(value) for key, value in runner.test().items()}
    finally:
        _forget(runner)


def _require_finite(model: nn.Module, masks: set[str]) -> None:
    """The last step comes behind the last loss."""
    wrong = sorted(not_finite(model) - masks)
    if wrong:
        message = f"{len(wrong)} weights are not finite behind the last iteration ({wrong[0]})"
        raise NonFiniteLossError(message)


class _TestProgressHook(Hook):
    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        self._progress(batch_idx + 1, len(runner.test_dataloader), "")


def _common(seed: int, scope: str, name: str, visualizers: Sequence[Mapping[str, Any]] = ()) -> dict[str, Any]:
    backends = [dict(config) for config in visualizers] or None
    return {
        "randomness": {"seed": seed},
        "default_scope": scope,
        "experiment_name": name,
        "visualizer": {"type": "Visualizer", "name": name, "vis_backends": backends, "_scope_": "mmengine"},
        "log_processor": {"by_epoch": False},
        "log_level": "INFO",
    }


def _require_possible(budget: TrainingBudget, device: torch.device) -> None:
    kind = budget.optimizer.get("type")
    if kind not in OPTIMIZERS:
        message = f"optimizer.type: there is no optimiser {kind!r}"
        raise UserError(message, "Write one of torch.optim, e.g. AdamW or SGD.")
    if budget.schedule.type == "onecycle" and budget.schedule.max_lr is None and "lr" not in budget.optimizer:
        message = "schedule: onecycle needs a peak, and neither schedule.max_lr nor optimizer.lr is given"
        raise UserError(message, "Write e.g. optimizer: {type: AdamW, lr: 0.003}.")
    if budget.amp and device.type == "cpu":
        message = "amp: automatic mixed precision needs a GPU, and this training is on the CPU"
        raise UserError(message, "Write amp: false, or choose a GPU with --device.")


def _forget(runner: Runner) -> None:
    """Mmengine keeps a Runner's logger, with its open log file, and its visualizer for the life of the process."""
    for handler in runner.logger.handlers:
        handler.close()
    for manager in (MMLogger, MessageHub, DefaultScope):
        manager._instance_dict.pop(runner.experiment_name, None)
    Visualizer._instance_dict.pop(runner.visualizer.instance_name, None)  # a Runner puts the time behind its own name


def _optim_wrapper(budget: TrainingBudget) -> dict[str, Any]:
    wrapper = "AmpOptimWrapper" if budget.amp else "OptimWrapper"
    config: dict[str, Any] = {"type": wrapper, "optimizer": dict(budget.optimizer)}
    if budget.clip_norm is not None:
        config["clip_grad"] = {"max_norm": budget.clip_norm}
    return {**config, "accumulative_counts": budget.accumulate}
