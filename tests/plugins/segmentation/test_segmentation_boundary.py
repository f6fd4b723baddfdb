"""The boundary F-score, against shapes whose outlines are counted by hand and against all pairs of pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from bench_segmentation.metrics.boundary import boundary_counts, boundary_f_scores


def square(size, top, left, side):
    image = np.zeros((size, size), dtype=np.int64)
    image[top : top + side, left : left + side] = 1
    return image


def scores(label, prediction, tolerance, classes=2):
    return boundary_f_scores(boundary_counts(label, prediction, classes, 255, tolerance))


def test_outlines_are_counted_on_both_sides():
    image = square(20, 5, 5, 4)
    counts = boundary_counts(image, image, 3, 255)
    # The square's own outline has 12 pixels; the background's around it 16, for its corners touch no side.
    assert counts.tolist() == [[16, 12, 0]] * 4
    assert boundary_f_scores(counts).tolist() == pytest.approx([1.0, 1.0, math.nan], nan_ok=True)


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 1.0), (3, 1.0), (4, 0.0)])
def test_the_tolerance_is_a_fraction_of_the_diagonal(shift, expected):
    """A line that is two pixels wide, moved across itself: 3 pixels of a diagonal of 60 * sqrt 2 are in reach."""
    label, prediction = np.zeros((60, 60), dtype=np.int64), np.zeros((60, 60), dtype=np.int64)
    label[:, 20] = 1
    prediction[:, 20 + shift] = 1
    assert scores(label, prediction, 3.0 / math.hypot(60, 60))[1] == expected


def test_one_pixel_is_always_in_reach():
    label, prediction = np.zeros((2, 8, 8), dtype=np.int64)
    label[:, 3], prediction[:, 4] = 1, 1
    assert scores(label, prediction, 0.0)[1] == 1.0
    prediction[:, 4], prediction[:, 5] = 0, 1
    assert scores(label, prediction, 0.0)[1] == 0.0


def test_a_class_on_one_side_only_scores_nothing():
    assert scores(square(9, 2, 2, 3), np.zeros((9, 9), dtype=np.int64), 0.1)[1] == 0.0


def test_ignored_pixels_and_the_frame_bound_nothing():
    label = np.zeros((6, 6), dtype=np.int64)
    label[:, 3:] = 1
    label[:, 2:4] = 255
    assert boundary_counts(label, np.where(label == 255, 1, label), 2, 255).sum() == 0


def by_all_pairs(label, prediction, classes, reach):
    """Returns the counts by comparing every boundary pixel with every other."""

    def boundary(image, index):
        padded = np.pad(image, 1, constant_values=255)
        found = []
        for row, column in np.argwhere(image == index):
            beside = [padded[row + y, column + x] for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))]
            if any(each not in (index, 255) for each in beside):
                found.append((row, column))
        return found

    kept = np.where(label == 255, 255, prediction)
    counts = np.zeros((4, classes), dtype=np.int64)
    for index in range(classes):
        truth, predicted = boundary(label, index), boundary(kept, index)
        right = sum(any(math.dist(one, other) <= reach for other in truth) for one in predicted)
        found = sum(any(math.dist(one, other) <= reach for other in predicted) for one in truth)
        counts[:, index] = len(predicted), right, len(truth), found
    return counts


@pytest.mark.parametrize("seed", range(4))
def test_equals_a_comparison_of_all_pairs(seed):
    random = np.random.default_rng(seed)
    label, prediction = np.kron(random.integers(0, 3, (2, 4, 5)), np.ones((3, 3), dtype=np.int64))
    label[random.random(label.shape) < 0.05] = 255
    tolerance = 0.15
    counts = boundary_counts(label, prediction, 3, 255, tolerance)
    assert counts.tolist() == by_all_pairs(label, prediction, 3, tolerance * math.hypot(*label.shape)).tolist()
    predicted, right, labelled, found = counts[:, 0]
    precision, recall = right / predicted, found / labelled
    assert boundary_f_scores(counts)[0] == pytest.approx(2 * precision * recall / (precision + recall))
