"""How the weights of a training by several processes come back into the stage that asked for it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NoReturn

import torch
from torch import nn

from harness.engine.checkpoint import load_checkpoint
from harness.engine.membership import devices_of
from harness.engine.training import TrainingOutcome
from harness.engine.workbench import Launch
from harness.errors import UserError
from harness.plan.member import MemberJob


class TrainingHandedOver(Exception):  # noqa: N818 - it is no error
    """Ends the stage in one of its training's processes: what comes behind the training is for the stage's worker."""


def train_elsewhere(model: nn.Module, processes: int, work: Path, launch: Launch | None) -> TrainingOutcome:
    """Has `model` trained by several processes and gives it their weights.

    Args:
        model: On the first of the devices.
        processes: How many.
        work: The training's own folder.
        launch: Starts them and waits for them.

    Raises:
        UserError: There are not enough GPUs, or nothing can start processes here.
    """
    devices, trained = devices_of(next(model.parameters()).device, processes), work / "trained.pth"
    if launch is None:
        message = f"processes: {processes} were asked for, and only the worker of a run can start them"
        raise UserError(message, "Write processes: 1.")
    work.mkdir(parents=True, exist_ok=True)
    launch(devices, trained)
    content = load_checkpoint(trained)
    model.load_state_dict(content["state_dict"])
    trained.unlink()
    return TrainingOutcome(**content["outcome"])


def hand_over(model: nn.Module, outcome: TrainingOutcome, member: MemberJob) -> NoReturn:
    """Ends the stage in a process of its training; process 0 leaves what was trained.

    Raises:
        TrainingHandedOver: Always.
    """
    if member.rank == 0:
        torch.save({"state_dict": model.state_dict(), "outcome": asdict(outcome)}, member.trained)
    raise TrainingHandedOver
