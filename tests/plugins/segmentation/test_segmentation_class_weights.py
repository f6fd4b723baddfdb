from __future__ import annotations

import math

import pytest
import torch
from mmengine.runner import Runner

from bench_segmentation.losses.class_weights import class_weights, label_counts, labels_of
from harness.errors import DataError, UserError
from harness.registry.dataset import LoaderRequest

# Two images: 6 of class 0 and 2 of class 1; 4 of class 0 and 4 of class 2; class 3 never.
LABELS = [torch.tensor([[0, 0, 0, 0], [0, 0, 1, 1], [255, 255, 255, 255]]), torch.tensor([[0, 0, 0, 0, 2, 2, 2, 2]])]


@pytest.fixture
def counts():
    return label_counts(LABELS, classes=4, ignore_index=255)


def test_counts_are_of_labelled_pixels(counts):
    assert counts.tolist() == [[10, 2, 4, 0], [16, 8, 8, 0]]


def test_inverse_frequency_has_mean_1_over_the_classes_that_occur(counts):
    weights = class_weights(counts, "inverse")
    mean = (16 / 10 + 16 / 2 + 16 / 4) / 3
    assert weights == pytest.approx([1.6 / mean, 8 / mean, 4 / mean, 0.0])


def test_median_frequency_counts_only_images_with_the_class(counts):
    assert class_weights(counts, "median") == pytest.approx([0.5 / (10 / 16), 0.5 / (2 / 8), 1.0, 0.0])


def test_enet(counts):
    expected = [1 / math.log(1.02 + share / 16) for share in (10, 2, 4)]
    assert class_weights(counts, "enet") == pytest.approx([*expected, 0.0])


def test_labels_of_a_loader(digits, meta):
    loader = Runner.build_dataloader(digits.loader(LoaderRequest(split="test", batch_size=4)))
    counts = label_counts(labels_of(loader), len(meta.classes), meta.ignore_index)
    labels = torch.cat([sample.gt_sem_seg.data for batch in loader for sample in batch["data_samples"]])
    assert counts[0].tolist() == [int((labels == index).sum()) for index in range(len(meta.classes))]
    assert counts[0].sum() > 0


def test_a_label_that_is_no_class():
    with pytest.raises(DataError, match=r"label map 1 holds 0\.\.2; expected 0\.\.1"):
        label_counts(LABELS, classes=2, ignore_index=255)


def test_labels_without_a_pixel():
    empty = label_counts([torch.full((2, 2), 255)], classes=3, ignore_index=255)
    with pytest.raises(DataError, match="no pixel"):
        class_weights(empty, "enet")


def test_an_unknown_rule(counts):
    with pytest.raises(UserError, match="no rule 'inverted'"):
        class_weights(counts, "inverted")
