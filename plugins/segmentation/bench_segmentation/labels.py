"""Whether a batch's images and label maps are what mmseg's networks, losses and metrics take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bench_segmentation.models.components import ignore_index
from harness.registry.task import Batch, sample_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.registry.dataset import DatasetMeta

SHOWN_VALUES = 5


def label_problem(batch: Batch, meta: DatasetMeta, *, training: bool) -> str:
    """Returns what is wrong with the first sample that mmseg cannot take, empty if there is none.

    Args:
        batch: Images [3, H, W] with as many data samples.
        meta: The data set's facts.
        training: Whether label maps are compared with the network's output, or with it at `ori_shape`.
    """
    images, samples = batch["inputs"], batch["data_samples"]
    for position, (image, sample) in enumerate(zip(images, samples, strict=True)):
        problem = _image_problem(image) or _label_problem(image, sample, meta, training=training)
        if problem:
            return f"{sample_name(batch, position)}: {problem}"
    return _size_problem(batch, images, meta, training=training)


def _image_problem(image: torch.Tensor) -> str:
    if image.dtype == torch.bool or image.is_complex():
        return f"its image is {_name(image.dtype)}; expected uint8 or floating point, 0..255"
    if image.is_floating_point() and not bool(torch.isfinite(image).all()):
        return "its image is not finite; expected 0..255"
    return ""


def _label_problem(image: torch.Tensor, sample: Any, meta: DatasetMeta, *, training: bool) -> str:
    if "gt_sem_seg" not in sample:
        return "it has no label map; expected gt_sem_seg"
    labels: torch.Tensor = sample.gt_sem_seg.data
    size = tuple(image.shape[1:])
    whose = "the size of its image"
    if not training and "ori_shape" in sample.metainfo:
        size, whose = tuple(sample.metainfo["ori_shape"][:2]), "its ori_shape"
    if tuple(labels.shape) != (1, *size):
        return f"its label map is {list(labels.shape)}; expected {[1, *size]}, {whose}"
    whole = not labels.is_floating_point() and not labels.is_complex() and labels.dtype != torch.bool
    if not whole or (training and labels.dtype != torch.int64):
        return f"its label map is {_name(labels.dtype)}; expected int64"
    return _value_problem(labels.long(), meta)


def _value_problem(labels: torch.Tensor, meta: DatasetMeta) -> str:
    ignored, count = ignore_index(meta), len(meta.classes)
    wrong = labels[((labels < 0) | (labels >= count)) & (labels != ignored)]
    if not wrong.numel():
        return ""
    values = sorted(set(wrong.tolist()))
    shown = ", ".join(map(str, values[:SHOWN_VALUES])) + (", ..." if len(values) > SHOWN_VALUES else "")
    allowed = f"0..{count - 1}" + ("" if meta.ignore_index is None else f" or {ignored}")
    return f"its label map holds {shown}; expected {allowed}, of {count} classes"


def _size_problem(batch: Batch, images: Sequence[torch.Tensor], meta: DatasetMeta, *, training: bool) -> str:
    """In training smaller images are padded to the input size; then all of a batch must be of one size."""
    first = _size(images[0], meta, padded=training)
    for position, image in enumerate(images):
        size = _size(image, meta, padded=training)
        if size != first:
            what = f"its image is {list(image.shape)}, that of sample 0 {list(images[0].shape)}"
            return f"{sample_name(batch, position)}: {what}; expected one size in a batch"
    return ""


def _size(image: torch.Tensor, meta: DatasetMeta, *, padded: bool) -> tuple[int, int]:
    height, width = image.shape[1:]
    return (max(height, meta.input_size[0]), max(width, meta.input_size[1])) if padded else (height, width)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
