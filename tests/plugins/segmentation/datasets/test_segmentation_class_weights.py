import math

import numpy as np
import pytest

from bench_segmentation.datasets.class_weights import class_weights, label_counts
from harness.errors import DataError, UserError

# Two images: 6 of class 0 and 2 of class 1; 4 of class 0 and 4 of class 2; class 3 never.
LABELS = [
    np.array([[0, 0, 0, 0], [0, 0, 1, 1], [255, 255, 255, 255]], dtype=np.uint8),
    np.array([[0, 0, 0, 0, 2, 2, 2, 2]], dtype=np.uint8),
]


@pytest.fixture
def counts():
    return label_counts(LABELS, classes=4, ignored=255)


def test_counts_are_of_labelled_pixels(counts):
    assert counts.tolist() == [[10, 2, 4, 0], [16, 8, 8, 0]]


def test_a_class_may_be_the_ignored_label():
    assert label_counts(LABELS, classes=256, ignored=2)[0][[0, 1, 2, 255]].tolist() == [10, 2, 0, 4]


def test_inverse_frequency_has_mean_1_over_the_classes_that_occur(counts):
    weights = class_weights(counts, "inverse")
    mean = (16 / 10 + 16 / 2 + 16 / 4) / 3
    assert weights == pytest.approx([1.6 / mean, 8 / mean, 4 / mean, 0.0])


def test_median_frequency_counts_only_images_with_the_class(counts):
    assert class_weights(counts, "median") == pytest.approx([0.5 / (10 / 16), 0.5 / (2 / 8), 1.0, 0.0])


def test_the_median_of_two_classes_is_between_them():
    two = label_counts(LABELS[:1], classes=2, ignored=255)
    assert class_weights(two, "median") == pytest.approx([0.5 / 0.75, 0.5 / 0.25])


def test_enet(counts):
    expected = [1 / math.log(1.02 + share / 16) for share in (10, 2, 4)]
    assert class_weights(counts, "enet") == pytest.approx([*expected, 0.0])


def test_a_label_that_is_no_class():
    with pytest.raises(DataError, match=r"label map 1 holds 2; expected 0\.\.1 or 255"):
        label_counts(LABELS, classes=2, ignored=255)


def test_labels_without_a_pixel():
    empty = label_counts([np.full((2, 2), 255, dtype=np.uint8)], classes=3, ignored=255)
    with pytest.raises(DataError, match="no pixel"):
        class_weights(empty, "enet")


def test_an_unknown_rule(counts):
    with pytest.raises(UserError, match="no rule 'inverted'"):
        class_weights(counts, "inverted")
