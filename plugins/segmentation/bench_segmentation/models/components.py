"""The parts of a model config that follow from the data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench_segmentation.loss_options import LossOptions
    from harness.registry.dataset import DatasetMeta

NO_LABEL = -100
"""Ignored label where the data set has none: a value that no mask holds."""


def ignore_index(meta: DatasetMeta) -> int:
    """Returns the label that counts nowhere."""
    return NO_LABEL if meta.ignore_index is None else meta.ignore_index


def data_preprocessor(meta: DatasetMeta) -> dict[str, Any]:
    """Returns the config that turns a loader's uint8 BGR images into normalised RGB batches."""
    return {
        "type": "SegDataPreProcessor",
        "mean": list(meta.mean),
        "std": list(meta.std),
        "bgr_to_rgb": True,
        "pad_val": 0,
        "seg_pad_val": ignore_index(meta),
        "size": list(meta.input_size),
    }


def cross_entropy(meta: DatasetMeta, loss_weight: float = 1.0, loss_name: str = "loss_ce") -> dict[str, Any]:
    """Returns the config of the loss with the data set's class weights."""
    return {
        "type": "ClassWeightedCrossEntropy",
        "class_weight": list(meta.class_weights) or None,
        "loss_weight": loss_weight,
        "loss_name": loss_name,
    }


def chosen_loss(meta: DatasetMeta, options: LossOptions) -> dict[str, Any] | list[dict[str, Any]]:
    """Returns the config of the loss that a model's options ask for, with the data set's class weights.

    mmseg's heads sum the losses of a list.
    """
    if options.loss == "cross_entropy":
        return cross_entropy(meta)
    weights = {"class_weight": list(meta.class_weights)} if meta.class_weights else {}
    focal = {"type": "SoftmaxFocalLoss", "gamma": options.focal_gamma, "loss_weight": options.focal_weight, **weights}
    dice = {"type": "BatchDiceLoss", "loss_weight": options.dice_weight, **weights}
    return [focal, dice] if options.loss == "focal_dice" else focal if options.loss == "focal" else dice
