"""Options of the published networks; free of torch and mmseg."""

from __future__ import annotations

from pydantic import Field

from bench_segmentation.loss_options import LossOptions
from harness.registry.starting import StartOptions


class WidthOptions(LossOptions):
    """Options of networks that come in any width."""

    base_channels: int = Field(default=64, ge=2, description="Channels of the first stage; 64 as published.")


class DropoutOptions(WidthOptions):
    """Options of networks with dropout behind their stages."""

    dropout: float = Field(default=0.2, ge=0, lt=1, description="Probability behind each stage.")


class ResNetSegmentorOptions(WidthOptions, StartOptions):
    """Options of a ResNet with an FCN head."""

    dropout: float = Field(default=0.1, ge=0, lt=1, description="Probability in the head.")
    aux_loss: bool = Field(default=False, description="A second FCN head on the third stage, with 0.4 of the loss.")


class DeepLabOptions(ResNetSegmentorOptions):
    """Options of a ResNet with a DeepLabV3 head."""

    dropout: float = Field(default=0.5, ge=0, lt=1, description="Probability in the head.")
