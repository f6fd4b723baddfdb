"""mmseg's IoU metric with further figures beside it, unrounded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mmengine.dist import get_rank
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS

from bench_segmentation.metrics.areas import Areas, mean_of_present, together, total
from bench_segmentation.metrics.boundary import boundary_counts, boundary_f_scores
from bench_segmentation.metrics.variants import variants

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class ImageFigures:
    """What is kept of an image.

    Attributes:
        areas: mmseg's areas of intersection, union, prediction and label, tensors [C] each.
        boundary: Counts of boundary pixels [4, C], see `boundary_counts`; `None` where they are not asked for.
        batch: Which batch it was in: the process's rank and the number of the batch there.
    """

    areas: tuple[Any, ...]
    boundary: NDArray[np.int64] | None
    batch: tuple[int, int]


@METRICS.register_module()
class SegmentationMetric(IoUMetric):
    """`IoUMetric` plus the foreground, frequency-weighted IoU, Dice, boundaries, variants and figures of each class.

    A class that occurs neither in the labels nor in the predictions has no IoU; like in mmseg the means
    leave it out. A mean without any class is NaN.

    Args:
        background: Index of the background class, left out of `foreground_mIoU`; `None` where every class
            is foreground.
        boundaries: Whether `boundary_f` and its figures of each class are among the figures.
        **arguments: Those of `IoUMetric`.
    """

    def __init__(self, background: int | None = None, *, boundaries: bool = True, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.background = background
        self.boundaries = boundaries
        self._batches = 0

    def process(self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]) -> None:
        """Keeps what is needed of each image of a batch.

        Args:
            data_batch: The batch.
            data_samples: Predictions and labels of its images.
        """
        del data_batch
        classes, batch = len(self.dataset_meta["classes"]), (get_rank(), self._batches)
        self._batches += 1
        for sample in data_samples:
            prediction = sample["pred_sem_seg"]["data"].squeeze(0)
            label = sample["gt_sem_seg"]["data"].squeeze(0).to(prediction)
            areas = self.intersect_and_union(prediction, label, classes, self.ignore_index)
            maps = (label.cpu().numpy(), prediction.cpu().numpy())
            boundary = boundary_counts(*maps, classes, self.ignore_index) if self.boundaries else None
            self.results.append(ImageFigures(areas, boundary, batch))

    def compute_metrics(self, results: list[ImageFigures]) -> dict[str, float]:
        """Returns all figures in percent, as mmseg does, but unrounded.

        `mIoU`, `foreground_mIoU`, `mAcc`, `aAcc`, `fwIoU`, `mDice`, `boundary_f`, the `variants`, and for each class
        `IoU.<class>`, `accuracy.<class>` and `boundary_f.<class>`.

        Args:
            results: What was kept of each image.
        """
        super().compute_metrics([result.areas for result in results])  # writes the table of classes into the log
        images = together(_areas(result) for result in results)
        whole = total(images)
        foreground = whole.iou if self.background is None else np.delete(whole.iou, self.background)
        fractions = {
            "mIoU": mean_of_present(whole.iou),
            "foreground_mIoU": mean_of_present(foreground),
            "mAcc": mean_of_present(whole.accuracy),
            "aAcc": whole.pixel_accuracy,
            "fwIoU": whole.frequency_weighted_iou,
            "mDice": mean_of_present(whole.dice),
            **variants(images, [result.batch for result in results]),
        }
        columns = {"IoU": whole.iou, "accuracy": whole.accuracy}
        if self.boundaries:
            counts = [result.boundary for result in results if result.boundary is not None]
            columns["boundary_f"] = boundary_f_scores(np.sum(counts, axis=0))
            fractions["boundary_f"] = mean_of_present(columns["boundary_f"])
        for index, name in enumerate(self.dataset_meta["classes"]):
            fractions.update({f"{figure}.{name}": float(values[index]) for figure, values in columns.items()})
        return {name: 100.0 * value for name, value in fractions.items()}


def _areas(result: ImageFigures) -> Areas:
    intersection, _, prediction, label = (np.asarray(part, dtype=np.float64) for part in result.areas)
    return Areas(intersection, prediction, label)
