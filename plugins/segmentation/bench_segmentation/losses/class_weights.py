"""Class weights from how often the classes occur in the labels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from harness.errors import DataError, UserError

if TYPE_CHECKING:
    from torch import Tensor

Rule = Literal["inverse", "median", "enet"]
_ENET = 1.02


def label_counts(labels: Iterable[Tensor], classes: int, ignore_index: int) -> Tensor:
    """Returns how many pixels [C] each class has, and behind them how many pixels the images with it have: [2, C].

    Args:
        labels: Label maps of single images, [H, W] or [1, H, W] each.
        classes: Number C of classes.
        ignore_index: Label that counts nowhere.

    Raises:
        DataError: A label is no class.
    """
    counts = torch.zeros(2, classes, dtype=torch.int64)
    for position, label in enumerate(labels):
        kept = label[label != ignore_index].long()
        if kept.numel() and not 0 <= int(kept.min()) <= int(kept.max()) < classes:
            message = f"label map {position} holds {int(kept.min())}..{int(kept.max())}; expected 0..{classes - 1}"
            raise DataError(message, "Look at the data set's label map, or at its ignored label.")
        own = torch.bincount(kept.flatten(), minlength=classes).cpu()
        counts[0] += own
        counts[1] += own.sum() * (own > 0)
    return counts


def class_weights(counts: Tensor, rule: Rule) -> list[float]:
    """Returns one weight a class; a class that has no pixel has weight 0, for no label asks for it.

    With the share p_c = n_c / sum n of the labelled pixels:

    * `inverse`: 1 / p_c, divided by the mean of the classes that occur, so that their mean weight is 1.
    * `median`: median(f) / f_c, where f_c is the share of class c in the images that hold it (Eigen and Fergus,
      Predicting Depth, Surface Normals and Semantic Labels, 2015, section 6.3.2).
    * `enet`: 1 / ln(1.02 + p_c) (Paszke et al., ENet, 2016, section 5.1): from 1.4 to 50.

    Args:
        counts: What `label_counts` returned, [2, C].
        rule: One of the three.

    Raises:
        DataError: No pixel is labelled.
        UserError: There is no such rule.
    """
    if rule not in get_args(Rule):
        message = f"class weights: there is no rule {rule!r}"
        raise UserError(message, f"Choose one of {', '.join(get_args(Rule))}.")
    pixels, pixels_of_images = counts.double()
    present = pixels > 0
    if not bool(present.any()):
        message = "class weights: no pixel of the labels belongs to a class"
        raise DataError(message, "Look at the data set's label map, or at its ignored label.")
    shares = pixels / (pixels_of_images if rule == "median" else pixels.sum())
    if rule == "enet":
        weights = 1.0 / (_ENET + shares).log()
    elif rule == "median":
        weights = shares[present].quantile(0.5) / shares
    else:
        weights = 1.0 / shares
        weights = weights / weights[present].mean()
    return [float(weight) if there else 0.0 for weight, there in zip(weights, present, strict=True)]


def labels_of(loader: Iterable[Any]) -> Iterable[Tensor]:
    """Yields the label maps [1, H, W] of a loader's batches, image by image."""
    for batch in loader:
        for sample in batch["data_samples"]:
            yield sample.gt_sem_seg.data
