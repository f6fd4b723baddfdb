"""What this distribution offers; free of torch and mmseg."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from bench_segmentation.loss_options import LossOptions
from harness.registry.descriptors import (
    DatasetDescriptor,
    Metric,
    ModelDescriptor,
    Options,
    TaskDescriptor,
)


class DigitsOptions(Options):
    """Options of the digit scenes."""

    size: int = Field(default=64, ge=32, le=256, multiple_of=16, description="Side of a scene in pixels.")
    scene_seed: int = Field(default=0, ge=0, lt=2**32, description="Seed of the scenes.")
    train: int = Field(default=1000, ge=1, description="Scenes of one pass over the training split.")
    val: int = Field(default=250, ge=1, description="Scenes of the validation split.")
    test: int = Field(default=400, ge=1, description="Scenes of the test split.")


class ResidualFCNOptions(LossOptions):
    """Options of the residual FCN."""

    base_channels: int = Field(default=16, ge=4, description="Channels of the stem and of the first stage.")


class UNetOptions(LossOptions):
    """Options of the U-Net."""

    base_channels: int = Field(default=16, ge=4, description="Channels of the first stage.")


class DigitsDescriptor(DatasetDescriptor):
    """The digit scenes; their content is that of the shared scene generator."""

    def fingerprint(self, options: Options) -> str:
        """Returns the scene generator's hash of sources, composition rules, seed and size."""
        from bench_digits import fingerprint

        digits = DigitsOptions.model_validate(options.model_dump())
        digest: str = fingerprint(seed=digits.scene_seed, size=digits.size)
        return digest


@dataclass(frozen=True, kw_only=True)
class ZooDescriptor(ModelDescriptor):
    """The mmsegmentation zoo; its members are found without importing mmseg."""

    def members(self) -> Sequence[str]:
        """Returns the names of all configs."""
        from bench_segmentation.models.zoo import members

        return members()

    def fingerprint(self, member: str) -> str:
        """Returns the hash of the config's files; raises a `UserError` if there is no such config."""
        from bench_segmentation.models.zoo import fingerprint

        return fingerprint(member)


SEGMENTATION = TaskDescriptor(
    name="segmentation",
    summary="Semantic segmentation on mmsegmentation: one class for every pixel.",
    implementation="bench_segmentation.task:Segmentation",
    metrics=(
        Metric(name="mIoU"),
        Metric(name="foreground_mIoU"),
        Metric(name="mean_accuracy"),
        Metric(name="pixel_accuracy"),
        Metric(name="fwIoU"),
        Metric(name="mean_dice"),
        Metric(name="boundary_f"),
        # Means as other systems form them; `bench_segmentation.metrics.variants` defines each.
        Metric(name="mIoU_dataset_eps"),
        Metric(name="mean_accuracy_dataset_eps"),
        Metric(name="mIoU_batch_absent1"),
        Metric(name="mean_dice_batch_absent1"),
        Metric(name="mIoU_batch_present"),
        Metric(name="mIoU_image_absent0"),
    ),
    demo_model="residual_fcn",
    demo_dataset="digits",
)

DIGITS = DigitsDescriptor(
    name="digits",
    summary="Generated scenes of real handwritten digits on real photos; nothing to download.",
    implementation="bench_segmentation.digits:Digits",
    task="segmentation",
    options=DigitsOptions,
)

RESIDUAL_FCN = ModelDescriptor(
    name="residual_fcn",
    summary="ResNet-18 with an FCN head on four stages; small enough to train on two CPU cores.",
    implementation="bench_segmentation.models.residual_fcn:ResidualFCN",
    task="segmentation",
    options=ResidualFCNOptions,
    training={
        "iterations": 1400,
        "batch_size": 32,
        "optimizer": {"type": "AdamW", "lr": 0.03, "weight_decay": 0.01},
        "schedule": {"type": "onecycle", "max_lr": 0.03},
    },
    recovery={
        "iterations": 400,
        "batch_size": 32,
        "optimizer": {"type": "AdamW", "lr": 0.008, "weight_decay": 0.01},
        "schedule": {"type": "onecycle", "max_lr": 0.008},
    },
)

UNET = ModelDescriptor(
    name="unet",
    summary="U-Net from half the resolution down: finer and slower to train than residual_fcn.",
    implementation="bench_segmentation.models.unet:UNet",
    task="segmentation",
    options=UNetOptions,
    training={
        "iterations": 2800,
        "batch_size": 32,
        "optimizer": {"type": "AdamW", "lr": 0.03, "weight_decay": 0.01},
        "schedule": {"type": "onecycle", "max_lr": 0.03},
    },
    recovery={
        "iterations": 400,
        "batch_size": 16,
        "optimizer": {"type": "AdamW", "lr": 0.005, "weight_decay": 0.01},
        "schedule": {"type": "onecycle", "max_lr": 0.005},
    },
)

MMSEG_ZOO = ZooDescriptor(
    name="mmseg",
    summary="Any configuration of the installed mmsegmentation, as mmseg::folder/config, or a file of your own.",
    implementation="bench_segmentation.models.zoo:MMSegZoo",
    task="segmentation",
    zoo=True,
    reads_files=True,
)
