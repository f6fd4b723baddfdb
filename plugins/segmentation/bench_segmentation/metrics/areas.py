"""Areas of the classes, and the figures of a data set that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Areas:
    """Pixels of each class, [..., C] each, in double precision: the sums of whole data sets stay exact.

    Attributes:
        intersection: Predicted and labelled.
        prediction: Predicted, where anything is labelled.
        label: Labelled.
    """

    intersection: Figures
    prediction: Figures
    label: Figures

    @property
    def union(self) -> Figures:
        """Predicted or labelled."""
        return self.prediction + self.label - self.intersection

    @property
    def iou(self) -> Figures:
        """Intersection over union; NaN for a class that is in neither map."""
        return _ratio(self.intersection, self.union)

    @property
    def accuracy(self) -> Figures:
        """The part of a class's pixels that is predicted so, its recall; NaN for a class without a labelled pixel."""
        return _ratio(self.intersection, self.label)

    @property
    def dice(self) -> Figures:
        """2 |P and G| / (|P| + |G|); NaN for a class that is in neither map."""
        return _ratio(2.0 * self.intersection, self.prediction + self.label)

    @property
    def pixel_accuracy(self) -> float:
        """The part of the labelled pixels that is predicted right; NaN without any."""
        return float(_ratio(self.intersection.sum(), self.label.sum()))

    @property
    def frequency_weighted_iou(self) -> float:
        """The sum of IoUs, each times its class's share of the labelled pixels; NaN without any.

        Source: Long et al., Fully Convolutional Networks for Semantic Segmentation (2015), section 5.
        """
        weighted = np.where(self.label > 0, self.label * np.nan_to_num(self.iou), 0.0)
        return float(_ratio(weighted.sum(), self.label.sum()))


def together(areas: Iterable[Areas]) -> Areas:
    """Returns the areas of several images or batches, one a row: [N, C] each."""
    rows = list(areas)
    return Areas(
        intersection=np.stack([row.intersection for row in rows]),
        prediction=np.stack([row.prediction for row in rows]),
        label=np.stack([row.label for row in rows]),
    )


def total(areas: Areas) -> Areas:
    """Returns the sum [C] of areas [N, C]."""
    return Areas(areas.intersection.sum(0), areas.prediction.sum(0), areas.label.sum(0))


def mean_of_present(figures: Figures) -> float:
    """Returns the mean of what is not NaN, and NaN where nothing is left."""
    present = figures[~np.isnan(figures)]
    return float(present.mean()) if present.size else float("nan")


def _ratio(numerator: Figures, denominator: Figures) -> Figures:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / denominator, dtype=np.float64)
