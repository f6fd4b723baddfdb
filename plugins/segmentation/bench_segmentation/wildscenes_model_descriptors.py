"""The models of the WildScenes study; free of torch and mmseg.

Iterations are those of its epochs on the official training split: 6051 images in batches of 16, the last partial one
left out, are 378 iterations an epoch. Under protocol `seed` the split is its own, and an epoch has 68.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from bench_segmentation.foreign_names import TORCHVISION_NAMES, TRAINING_PARTS, WILDSCENES_UNET_NAMES
from bench_segmentation.loss_options import LossName, LossOptions
from bench_segmentation.network_options import DeepLabOptions, DropoutOptions, ResNetSegmentorOptions
from harness.registry.descriptors import ModelDescriptor

EPOCH = 378
"""Iterations of one pass over the official training split in batches of 16."""

SEED_IMAGES = 1103
"""Images of the study's own training split: seven tenths of traverses V-01 and V-02."""

MASK2FORMER_CONFIG = "mask2former/mask2former_swin-l-in22k-384x384-pre_8xb2-160k_ade20k-640x640"
"""What mmsegmentation ships; the data set's own classes and size replace ADE20K's."""

MASK_QUERY_CONFIGS = {
    "swin_b": "mask2former/mask2former_swin-b-in22k-384x384-pre_8xb2-160k_ade20k-640x640",
    "swin_t": "mask2former/mask2former_swin-t_8xb2-160k_ade20k-512x512",
}


@dataclass(frozen=True, kw_only=True)
class ShippedDescriptor(ModelDescriptor):
    """A model that is made from a config of the installed mmsegmentation, or from one of several.

    Attributes:
        configs: Their names.
    """

    configs: tuple[str, ...]

    def fingerprint(self, member: str) -> str:
        """Returns the hash of the configs' files; raises a `UserError` if there is no such config."""
        from bench_segmentation.models.zoo import fingerprint

        del member
        return "-".join(fingerprint(config) for config in self.configs)


class MaskQueryOptions(LossOptions):
    """A Mask2Former read query by query, with the loss of the study, 1 focal + 0.5 dice."""

    backbone: Literal["swin_b", "swin_t"] = Field(default="swin_b", description="The backbone; swin_b in the study.")
    num_queries: int = Field(default=100, ge=2, description="Masks that are mixed into classes.")
    loss: LossName = Field(default="focal_dice", description="The loss of the decode head.")
    dice_weight: float = Field(default=0.5, gt=0, description="Factor of the dice loss.")


class DeepLabWildScenesOptions(DeepLabOptions):
    """DeepLabV3 with the loss of the study, 1 focal + 0.5 dice."""

    loss: LossName = Field(default="focal_dice", description="The loss of the decode head.")
    dice_weight: float = Field(default=0.5, gt=0, description="Factor of the dice loss.")


class FCNWildScenesOptions(ResNetSegmentorOptions):
    """FCN with the loss of the study, 0.75 focal + 0.25 dice."""

    loss: LossName = Field(default="focal_dice", description="The loss of the decode head.")
    focal_weight: float = Field(default=0.75, gt=0, description="Factor of the focal loss.")
    dice_weight: float = Field(default=0.25, gt=0, description="Factor of the dice loss.")


class UNetWildScenesOptions(DropoutOptions):
    """U-Net with the loss of the study, 1 focal + 0.5 dice."""

    loss: LossName = Field(default="focal_dice", description="The loss of the decode head.")
    dice_weight: float = Field(default=0.5, gt=0, description="Factor of the dice loss.")


def _adamw(epochs: int, lr: float, weight_decay: float, schedule: dict[str, Any]) -> dict[str, Any]:
    optimizer = {"type": "AdamW", "lr": lr, "weight_decay": weight_decay}
    return {"iterations": epochs * EPOCH, "batch_size": 16, "optimizer": optimizer, "schedule": schedule}


def _seed(epochs: int, batch_size: int = 16, **others: Any) -> dict[str, Any]:
    """Returns what is different on the study's own split; partial batches were left out there."""
    return {"iterations": epochs * (SEED_IMAGES // batch_size), **others}


def _seed_plateau(batch_size: int) -> dict[str, Any]:
    return {"type": "plateau", "patience": 5, "window": SEED_IMAGES // batch_size}


def _mask2former(iterations: int) -> dict[str, Any]:
    optimizer = {"type": "AdamW", "lr": 1e-4, "weight_decay": 0.05}
    return {
        "iterations": iterations,
        "batch_size": 40,
        "optimizer": optimizer,
        "schedule": {"type": "poly"},
        "clip_norm": 0.01,
    }


def _mask_query(epochs: int, patience: int) -> dict[str, Any]:
    images, batch_size = 6051, 8
    return {
        "iterations": epochs * (images // batch_size),
        "batch_size": batch_size,
        "optimizer": {"type": "AdamW", "lr": 5e-5, "weight_decay": 0.01},
        "schedule": {"type": "plateau", "patience": patience, "window": images // batch_size},
        "clip_norm": 1.0,
    }


DEEPLABV3_R101_WILDSCENES = ModelDescriptor(
    name="deeplabv3_r101_wildscenes",
    summary="torchvision's DeepLabV3 on ResNet-101 with a deeper last layer, 59.2 M parameters.",
    implementation="bench_segmentation.models.resnet_segmentor:DeepLabV3ResNet101WildScenes",
    task="segmentation",
    options=DeepLabWildScenesOptions,
    foreign_names=TORCHVISION_NAMES,
    training_parts=TRAINING_PARTS,
    training=_adamw(60, 1e-3, 0.01, {"type": "onecycle", "max_lr": 0.01, "final_div_factor": 1e3}),
    seed_training=_seed(60, amp=True),
    recovery=_adamw(15, 1e-3, 0.01, {"type": "onecycle", "max_lr": 2e-3, "final_div_factor": 1e3}),
)
FCN_R50_WILDSCENES = ModelDescriptor(
    name="fcn_r50_wildscenes",
    summary="torchvision's FCN on ResNet-50 with the budget of the WildScenes study, 33.0 M parameters.",
    implementation="bench_segmentation.models.resnet_segmentor:FCNResNet50",
    task="segmentation",
    options=FCNWildScenesOptions,
    foreign_names=TORCHVISION_NAMES,
    training_parts=TRAINING_PARTS,
    # Warm restarts behind 10 and 30 of the 60 epochs.
    training=_adamw(60, 1e-3, 1e-4, {"type": "restarts", "first_period": 10 / 60, "period_factor": 2, "eta_min": 1e-6}),
    seed_training=_seed(60),
    recovery=_adamw(15, 2e-4, 1e-4, {"type": "cosine"}),
)
UNET_WILDSCENES = ModelDescriptor(
    name="unet_wildscenes",
    summary="U-Net of full width with bilinear resizing and dropout, 28.9 M parameters.",
    implementation="bench_segmentation.models.encoder_decoders:BilinearUNet",
    task="segmentation",
    options=UNetWildScenesOptions,
    foreign_names=WILDSCENES_UNET_NAMES,
    training=_adamw(50, 5e-5, 0.01, {"type": "plateau", "patience": 5, "window": EPOCH}),
    seed_training=_seed(50, schedule=_seed_plateau(16)),
    recovery=_adamw(12, 5e-5, 0.01, {"type": "plateau", "patience": 2, "window": EPOCH}),
)
# 80,000 iterations in batches of 2 on each of 20 GPUs are the benchmark's own; accumulate or scale them down with the
# batch. A recovery has a quarter.
MASK2FORMER_SWIN_L = ShippedDescriptor(
    name="mask2former_swin_l",
    summary="Mask2Former on Swin-L as its authors train it; needs mmdet and a compiled mmcv.",
    implementation="bench_segmentation.models.mask2former:Mask2FormerSwinL",
    task="segmentation",
    configs=(MASK2FORMER_CONFIG,),
    training=_mask2former(80_000),
    recovery=_mask2former(20_000),
)
MASK_QUERY_WILDSCENES = ShippedDescriptor(
    name="mask_query_wildscenes",
    summary="Mask2Former's masks mixed into classes by one convolution; needs mmdet and a compiled mmcv.",
    implementation="bench_segmentation.models.mask_query:MaskQuery",
    task="segmentation",
    options=MaskQueryOptions,
    configs=tuple(MASK_QUERY_CONFIGS.values()),
    training=_mask_query(60, patience=5),
    seed_training=_seed(60, 8, schedule=_seed_plateau(8)),
    recovery=_mask_query(15, patience=2),
)
