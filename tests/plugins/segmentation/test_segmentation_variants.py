"""Means of the same areas as other systems form them, by hand and by an independent computation."""

from __future__ import annotations

import numpy as np
import pytest

from bench_segmentation.metrics.areas import Areas
from bench_segmentation.metrics.variants import variants


def areas(labels, predictions, classes, ignored=255):
    def histograms(images):
        return np.array([np.bincount(image, minlength=classes)[:classes] for image in images], dtype=np.float64)

    kept = [
        (label[label != ignored], prediction[label != ignored])
        for label, prediction in zip(labels, predictions, strict=True)
    ]
    return Areas(
        intersection=histograms([label[label == prediction] for label, prediction in kept]),
        prediction=histograms([prediction for _, prediction in kept]),
        label=histograms([label for label, _ in kept]),
    )


def test_a_perfect_prediction_of_eleven_classes_of_twelve():
    label = np.arange(12).repeat(5)[None]
    figures = variants(areas(label, label, classes=12, ignored=11), [0])
    assert figures["mIoU_dataset_eps"] == pytest.approx(0.916667, abs=5e-7)
    assert figures["mean_accuracy_dataset_eps"] == pytest.approx(11 / 12)
    assert figures["mIoU_image_absent0"] == pytest.approx(11 / 12)
    assert figures["mIoU_batch_absent1"] == figures["mIoU_batch_present"] == 1.0


def iou_of(label, prediction, index):
    both = np.sum((label == index) & (prediction == index))
    either = np.sum(((label == index) | (prediction == index)) & (label != 255))
    return both / either if either else None


def dice_of(label, prediction, index):
    iou = iou_of(label, prediction, index)
    return None if iou is None else 2 * iou / (1 + iou)


@pytest.mark.parametrize("seed", range(3))
def test_equals_loops_over_pixels(seed):
    random = np.random.default_rng(seed)
    label, prediction = random.integers(0, 4, (2, 5, 6))
    prediction[:2] %= 2  # some images are without some classes
    label[:2] %= 2
    label[random.random(label.shape) < 0.2] = 255
    batches, classes = [0, 0, 1, 1, 2], range(5)
    members = [[0, 1], [2, 3], [4]]

    def mean_over(groups, figure, absent):
        means = []
        for group in groups:
            values = [figure(label[group], prediction[group], index) for index in classes]
            counted = [absent if value is None else value for value in values if not (value is None and absent is None)]
            means.append(sum(counted) / len(counted))
        return sum(means) / len(means)

    figures = variants(areas(label, prediction, 5), batches)
    assert figures["mIoU_batch_absent1"] == pytest.approx(mean_over(members, iou_of, 1.0))
    assert figures["mean_dice_batch_absent1"] == pytest.approx(mean_over(members, dice_of, 1.0))
    assert figures["mIoU_batch_present"] == pytest.approx(mean_over(members, iou_of, None))
    assert figures["mIoU_image_absent0"] == pytest.approx(mean_over([[n] for n in range(5)], iou_of, 0.0))
    assert figures["mIoU_dataset_eps"] == pytest.approx(mean_over([list(range(5))], iou_of, 0.0), abs=1e-8)
