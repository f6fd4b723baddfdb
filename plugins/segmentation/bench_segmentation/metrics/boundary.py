"""The boundary F-score: how well the outlines of the classes are hit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

TOLERANCE = 0.0075
"""Distance at which an outline still counts as hit, as a fraction of the image's diagonal."""
_SLACK = 1e-3  # distances are in single precision
_OUTSIDE = -1


def boundary_counts(
    label: NDArray[Any], prediction: NDArray[Any], classes: int, ignore_index: int, tolerance: float = TOLERANCE
) -> NDArray[np.int64]:
    """Returns for each class [4, C]: predicted boundary pixels, how many are right, the label's, how many are found.

    A boundary pixel of a class has one of the four pixels beside it in another class. Ignored pixels, of which the
    prediction counts neither, and the frame bound nothing. A boundary pixel is right (found) if one of the same class
    lies in the other map within `tolerance` times the diagonal, in Euclidean distance, and one pixel at least.

    Args:
        label: Classes [H, W].
        prediction: Classes [H, W].
        classes: Number C of classes.
        ignore_index: Label that counts nowhere.
        tolerance: Fraction of the diagonal.
    """
    counted = label != ignore_index
    truth = _boundaries(np.where(counted, label, _OUTSIDE))
    predicted = _boundaries(np.where(counted, prediction, _OUTSIDE))
    reach = max(1.0, tolerance * math.hypot(*label.shape)) + _SLACK
    counts = np.zeros((4, classes), dtype=np.int64)
    counts[0], counts[2] = _histogram(predicted, classes), _histogram(truth, classes)
    for index in np.flatnonzero(counts[0] * counts[2]):
        counts[1, index], counts[3, index] = _hits(predicted == index, truth == index, reach)
    return counts


def boundary_f_scores(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the F-score [C] of each class, NaN for one that has a boundary in neither map.

    `2 P R / (P + R)` with precision P = right / predicted and recall R = found / labelled, from the boundary pixels of
    all images together, as IoU is; the source averages the F-scores of images.

    Source: Csurka et al., What is a good evaluation measure for semantic segmentation? (BMVC 2013), section 3.

    Args:
        counts: The sum over images of `boundary_counts`.
    """
    predicted, right, labelled, found = counts.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = right / predicted, found / labelled
        scores = 2.0 * precision * recall / (precision + recall)
    scores[(right == 0) & (predicted + labelled > 0)] = 0.0
    return np.asarray(scores, dtype=np.float64)


def _boundaries(classes: NDArray[Any]) -> NDArray[Any]:
    """Returns the class of each boundary pixel, and `_OUTSIDE` elsewhere."""
    edge = np.zeros(classes.shape, dtype=bool)
    down, right = _differ(classes[1:], classes[:-1]), _differ(classes[:, 1:], classes[:, :-1])
    for part, differs in ((edge[1:], down), (edge[:-1], down), (edge[:, 1:], right), (edge[:, :-1], right)):
        part |= differs
    return np.where(edge, classes, _OUTSIDE)


def _differ(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((first != second) & (first != _OUTSIDE) & (second != _OUTSIDE))


def _histogram(boundaries: NDArray[Any], classes: int) -> NDArray[np.int64]:
    return np.bincount(boundaries[boundaries != _OUTSIDE].astype(np.int64), minlength=classes)[:classes]


def _hits(predicted: NDArray[np.bool_], truth: NDArray[np.bool_], reach: float) -> tuple[int, int]:
    """Returns how many predicted pixels have a true one in reach, and how many true ones a predicted one."""
    box = _bounding_box(predicted | truth)  # holds all pixels that distances are measured between
    predicted, truth = predicted[box], truth[box]
    right = _distance(truth)[predicted] <= reach
    found = _distance(predicted)[truth] <= reach
    return int(right.sum()), int(found.sum())


def _distance(pixels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns the Euclidean distance of each pixel to the nearest one that is set."""
    return np.asarray(cv2.distanceTransform((~pixels).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))


def _bounding_box(pixels: NDArray[np.bool_]) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
