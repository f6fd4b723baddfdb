"""The transforms that samples go through, as configs of mmcv and mmseg."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bench_segmentation.datasets.listing import LabelledFolder
    from bench_segmentation.datasets.options import FolderOptions
    from harness.registry.dataset import Split

Step = dict[str, Any]

_PACK: Step = {"type": "mmseg.PackSegInputs"}


def reading(folder: LabelledFolder[FolderOptions], split: Split) -> list[Step]:
    """Returns the steps of one pass without augmentation.

    Losses are computed from training samples, whose labels therefore always have the input's size.

    Args:
        folder: The data set.
        split: Which split is read.
    """
    options = folder.options
    image, labels = _reads(folder)
    if split == "train" or options.evaluate_at == "input":
        return [image, labels, _resize(options), {"type": "mmseg.StateInputShape"}, _PACK]
    if options.evaluate_at == "label_size":
        return [image, _resize(options), labels, _PACK]
    return [image, labels, _PACK]


def training(folder: LabelledFolder[FolderOptions]) -> list[Step]:
    """Returns the steps of a training: resize or random window, flips, rotation, blur, colours."""
    options = folder.options
    steps = [*_reads(folder)]
    if options.crop_scale is None:
        steps.append(_resize(options))
    else:
        whole = options.evaluate_at == "whole_image"
        size = None if whole else (options.height, options.width)
        steps.append({"type": "mmseg.RandomScale", "scale": options.crop_scale, "size": size})
        window: Step = {"crop_size": (options.height, options.width), "cat_max_ratio": options.crop_class_limit}
        steps.append({"type": "mmseg.RandomCrop", **window, "ignore_index": folder.ignored})
    for direction, probability in (("horizontal", options.flip), ("vertical", options.vertical_flip)):
        if probability:
            steps.append({"type": "mmcv.RandomFlip", "prob": probability, "direction": direction})
    if options.rotation:
        corners = folder.ignored if options.rotation_label == "ignored" else 0
        steps.append(
            {
                "type": "mmseg.RandomRotate",
                "prob": 1.0,
                "degree": options.rotation,
                "pad_val": 0,
                "seg_pad_val": corners,
            }
        )
    if options.blur:
        steps.append({"type": "mmseg.RandomBlur", "probability": options.blur, "kernel": options.blur_kernel})
    if options.jitter:
        steps.append({"type": "mmseg.ColourJitter", "probability": options.jitter})
    return [*steps, {"type": "mmseg.StateInputShape"}, _PACK]


def _reads(folder: LabelledFolder[FolderOptions]) -> tuple[Step, Step]:
    return {"type": "mmcv.LoadImageFromFile"}, {"type": "mmseg.ReadLabels", "table": folder.table}


def _resize(options: FolderOptions) -> Step:
    """Bilinear for images, nearest for labels; the sides change independently, as in the rows."""
    return {"type": "mmcv.Resize", "scale": (options.width, options.height), "keep_ratio": False}
