"""Other means of the same areas, as systems report them whose numbers are to be compared.

They differ in what is averaged over (the data set, batches, images) and in what an absent class counts. A name says
both, so that no two numbers of one name mean different things:

* `mIoU_dataset_eps`: over the data set; IoU = TP / (TP + FP + FN + 1e-8), the mean over *all* classes, so that a class
  that is never there counts 0: of 12 classes of which one is ignored, 11 / 12 is the best there is.
  `mean_accuracy_dataset_eps` likewise.
* `mIoU_batch_absent1`: over each batch; a class that is in neither map counts 1; the mean over all classes, then over
  batches. Optimistic. `mean_dice_batch_absent1` likewise.
* `mIoU_batch_present`: over each batch; the mean over the classes that are there, then over batches.
* `mIoU_image_absent0`: over each image; a class that is in neither map counts 0; the mean over all classes, then over
  images. Pessimistic.

Those over batches depend on the evaluation's batch size. A last, smaller batch counts as much as any other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench_segmentation.metrics.areas import Areas, mean_of_present, together, total

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

_EPSILON = 1e-8


def variants(images: Areas, batches: Sequence[Hashable]) -> dict[str, float]:
    """Returns the variants by their names, as fractions.

    Args:
        images: Areas of each image, [N, C].
        batches: Which batch each image was in, N of them.
    """
    whole, grouped = total(images), _grouped(images, batches)
    means_of_present = np.array([mean_of_present(row) for row in grouped.iou])
    return {
        "mIoU_dataset_eps": float(np.mean(whole.intersection / (whole.union + _EPSILON))),
        "mean_accuracy_dataset_eps": float(np.mean(whole.intersection / (whole.label + _EPSILON))),
        "mIoU_batch_absent1": float(np.nan_to_num(grouped.iou, nan=1.0).mean()),
        "mean_dice_batch_absent1": float(np.nan_to_num(grouped.dice, nan=1.0).mean()),
        "mIoU_batch_present": mean_of_present(means_of_present),
        "mIoU_image_absent0": float(np.nan_to_num(images.iou, nan=0.0).mean()),
    }


def _grouped(images: Areas, batches: Sequence[Hashable]) -> Areas:
    """Returns the areas of each batch, [B, C]."""
    members: dict[Hashable, list[int]] = {}
    for position, batch in enumerate(batches):
        members.setdefault(batch, []).append(position)
    parts = (Areas(images.intersection[rows], images.prediction[rows], images.label[rows]) for rows in members.values())
    return together(total(part) for part in parts)
