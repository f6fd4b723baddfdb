"""The options by which a model's loss is chosen; free of torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harness.registry.descriptors import Options

LossName = Literal["cross_entropy", "focal", "dice", "focal_dice"]


class LossOptions(Options):
    """Options of a model whose decode head may be trained with any of our losses.

    The data set's class weights count in all of them: by the label of each pixel in cross-entropy and focal loss, in
    the mean over classes in dice loss.
    """

    loss: LossName = Field(default="cross_entropy", description="The loss of the decode head.")
    focal_weight: float = Field(default=1.0, gt=0, description="Factor of the focal loss.")
    focal_gamma: float = Field(default=2.0, ge=0, description="How much focal loss weighs easy pixels down.")
    dice_weight: float = Field(default=1.0, gt=0, description="Factor of the dice loss.")
