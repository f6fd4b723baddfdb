"""The eight models of the VSS pruning benchmark; free of torch and mmseg.

Its guide trains 100 epochs of Cityscapes' 2975 images in batches of 8, which are 372 iterations an epoch (the last one
is a smaller batch), and recovers for 50 epochs. On CamVid it is 200 and 100 epochs of 367 images in batches of 16: 23
iterations an epoch, so 4600 and 2300.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench_segmentation.foreign_names import (
    TORCHVISION_NAMES,
    TRAINING_PARTS,
    VSS_RESNET_NAMES,
    VSS_SEGNET_NAMES,
    VSS_UNET_NAMES,
)
from bench_segmentation.network_options import DeepLabOptions, ResNetSegmentorOptions, WidthOptions
from harness.registry.descriptors import ModelDescriptor, Options

EPOCH = 372
"""Iterations of one pass over Cityscapes in batches of 8."""


def _vss(
    name: str, summary: str, target: str, options: type[Options], foreign_names: Mapping[str, str], lr: float = 0.01
) -> ModelDescriptor:
    return ModelDescriptor(
        name=name,
        summary=summary,
        implementation=f"bench_segmentation.models.{target}",
        task="segmentation",
        options=options,
        training=_budget(100, lr),
        recovery=_budget(50, lr / 2),
        foreign_names=foreign_names,
        training_parts=TRAINING_PARTS,
    )


def _budget(epochs: int, lr: float) -> dict[str, Any]:
    return {
        "iterations": epochs * EPOCH,
        "batch_size": 8,
        "optimizer": {"type": "SGD", "lr": lr, "momentum": 0.9, "weight_decay": 1e-4},
        "schedule": {"type": "poly", "power": 0.9},
    }


DEEPLABV3_RESNET50 = _vss(
    "deeplabv3_resnet50",
    "torchvision's DeepLabV3 on ResNet-50, 39.6 M parameters.",
    "resnet_segmentor:DeepLabV3ResNet50",
    DeepLabOptions,
    TORCHVISION_NAMES,
)
DEEPLABV3_RESNET101 = _vss(
    "deeplabv3_resnet101",
    "torchvision's DeepLabV3 on ResNet-101, 58.6 M parameters.",
    "resnet_segmentor:DeepLabV3ResNet101",
    DeepLabOptions,
    TORCHVISION_NAMES,
    lr=0.007,
)
FCN_RESNET50 = _vss(
    "fcn_resnet50",
    "torchvision's FCN on ResNet-50, 33.0 M parameters.",
    "resnet_segmentor:FCNResNet50",
    ResNetSegmentorOptions,
    TORCHVISION_NAMES,
)
FCN_RESNET101 = _vss(
    "fcn_resnet101",
    "torchvision's FCN on ResNet-101, 51.9 M parameters.",
    "resnet_segmentor:FCNResNet101",
    ResNetSegmentorOptions,
    TORCHVISION_NAMES,
    lr=0.007,
)
RESNET50_SEG = _vss(
    "resnet50_seg",
    "ResNet-50 at output stride 32 with an FCN head: coarse and cheap, 33.0 M parameters.",
    "resnet_segmentor:ResNet50Seg",
    ResNetSegmentorOptions,
    VSS_RESNET_NAMES,
)
RESNET101_SEG = _vss(
    "resnet101_seg",
    "ResNet-101 at output stride 32 with an FCN head: coarse and cheap, 51.9 M parameters.",
    "resnet_segmentor:ResNet101Seg",
    ResNetSegmentorOptions,
    VSS_RESNET_NAMES,
    lr=0.007,
)
SIMPLE_SEGNET = _vss(
    "simple_segnet",
    "A small SegNet: unpooling by the indices of pooling, 7.1 M parameters.",
    "encoder_decoders:SimpleSegNet",
    WidthOptions,
    VSS_SEGNET_NAMES,
    lr=0.1,
)
VSS_UNET = _vss(
    "vss_unet",
    "U-Net of full width with transposed convolutions, 31.0 M parameters.",
    "encoder_decoders:TransposedUNet",
    WidthOptions,
    VSS_UNET_NAMES,
    lr=0.1,
)
