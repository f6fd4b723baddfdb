import pytest
import torch

from bench_segmentation.losses.averaging import label_weights, mean_over_labels

LABEL = torch.tensor([[[0, 1], [255, 1]]])


def test_pixels_weigh_what_their_classes_do_and_ignored_ones_nothing():
    assert label_weights(LABEL, None, 255).tolist() == [[[1, 1], [0, 1]]]
    assert label_weights(LABEL, torch.tensor([0.5, 2.0]), 255).tolist() == [[[0.5, 2.0], [0.0, 2.0]]]


def test_the_mean_is_by_these_weights():
    weights = label_weights(LABEL, torch.tensor([0.5, 2.0]), 255)
    losses = weights * torch.tensor([[[4.0, 1.0], [9.0, 3.0]]])
    assert float(mean_over_labels(losses, weights)) == pytest.approx((0.5 * 4 + 2 * 1 + 2 * 3) / 4.5)


def test_a_batch_without_labels_has_no_loss():
    weights = label_weights(torch.full((1, 2, 2), 255), torch.tensor([0.5, 2.0]), 255)
    assert float(mean_over_labels(torch.zeros(1, 2, 2), weights)) == 0.0
