"""Class weights from how often the classes occur in the labels; torch-free."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, get_args

import numpy as np

from bench_segmentation.datasets.options import WeightRule
from harness.errors import DataError, UserError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Counts = NDArray[np.int64]

_ENET = 1.02


def label_counts(labels: Iterable[NDArray[np.uint8]], classes: int, ignored: int) -> Counts:
    """Returns how many pixels [C] each class has, and behind them how many pixels the images with it have: [2, C].

    Args:
        labels: Label maps [H, W] of single images.
        classes: Number C of classes.
        ignored: Label that counts nowhere, one of the classes or another one.

    Raises:
        DataError: A label is no class.
    """
    counts = np.zeros((2, classes), dtype=np.int64)
    for position, label in enumerate(labels):
        own = np.bincount(label[label != ignored], minlength=classes)
        if len(own) > classes:
            message = f"label map {position} holds {len(own) - 1}; expected 0..{classes - 1} or {ignored}"
            raise DataError(message, "Look at the data set's label map, or at its ignored label.")
        counts[0] += own
        counts[1] += own.sum() * (own > 0)
    return counts


def class_weights(counts: Counts, rule: WeightRule) -> tuple[float, ...]:
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
    if rule not in get_args(WeightRule):
        message = f"class weights: there is no rule {rule!r}"
        raise UserError(message, f"Choose one of {', '.join(get_args(WeightRule))}.")
    pixels, pixels_of_images = counts.astype(np.float64)
    present = pixels > 0
    if not present.any():
        message = "class weights: no pixel of the labels belongs to a class"
        raise DataError(message, "Look at the data set's label map, or at its ignored label.")
    shares = pixels[present] / (pixels_of_images[present] if rule == "median" else pixels.sum())
    if rule == "enet":
        weights = 1.0 / np.log(_ENET + shares)
    elif rule == "median":
        weights = np.median(shares) / shares
    else:
        weights = 1.0 / shares
        weights = weights / weights.mean()
    found = np.zeros(len(pixels))
    found[present] = weights
    return tuple(found.tolist())
