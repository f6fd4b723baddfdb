"""mmseg's IoU metric with the foreground beside it, unrounded."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS


@METRICS.register_module()
class ForegroundIoUMetric(IoUMetric):
    """`IoUMetric` plus `foreground_mIoU`, all from mmseg's own figures per class.

    A class that occurs neither in the labels nor in the predictions has no IoU; like in mmseg the means
    leave it out. A mean without any class is NaN.

    Args:
        background: Index of the background class, left out of `foreground_mIoU`; `None` where every class
            is foreground.
        **arguments: Those of `IoUMetric`.
    """

    def __init__(self, background: int | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.background = background

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Returns `mIoU`, `foreground_mIoU`, `mAcc` and `aAcc` in percent, as mmseg does, but unrounded.

        Args:
            results: For each image the areas of intersection, union, prediction and label per class.
        """
        super().compute_metrics(results)  # writes the table of classes into the log
        areas = [sum(column) for column in zip(*results, strict=True)]
        figures = self.total_area_to_metrics(*areas, self.metrics, self.nan_to_num, self.beta)
        iou = figures["IoU"]
        foreground = iou if self.background is None else np.delete(iou, self.background)
        return {
            "mIoU": _mean(iou),
            "foreground_mIoU": _mean(foreground),
            "mAcc": _mean(figures["Acc"]),
            "aAcc": 100.0 * float(figures["aAcc"]),
        }


def _mean(fractions: np.ndarray[Any, Any]) -> float:
    """Returns the mean of what is there, in percent."""
    present = fractions[~np.isnan(fractions)]
    return 100.0 * float(present.mean(dtype=np.float64)) if present.size else float("nan")
