from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from bench_segmentation.losses.cross_entropy import ClassWeightedCrossEntropy


@pytest.fixture
def example():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 3, 4, 4, generator=generator)
    label = torch.randint(0, 3, (2, 4, 4), generator=generator)
    label[0, 0] = 255
    return logits, label


@pytest.mark.parametrize("weights", [None, [0.1, 1.0, 2.0]])
def test_equals_torch_with_ignored_pixels(example, weights):
    logits, label = example
    expected = F.cross_entropy(logits, label, weights and torch.tensor(weights), ignore_index=255)
    actual = ClassWeightedCrossEntropy(weights, loss_weight=0.4)(logits, label, ignore_index=255)
    torch.testing.assert_close(actual, 0.4 * expected)


def test_a_batch_without_labels_costs_nothing(example):
    logits, label = example
    logits.requires_grad_()
    loss = ClassWeightedCrossEntropy([0.1, 1.0, 2.0])(logits, torch.full_like(label, 255), ignore_index=255)
    loss.backward()
    assert loss.item() == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_pixel_losses_for_hard_example_mining(example):
    logits, label = example
    loss = ClassWeightedCrossEntropy([0.1, 1.0, 2.0])
    pixels = loss(logits, label, ignore_index=255, reduction_override="none")
    expected = F.cross_entropy(logits, label, torch.tensor([0.1, 1.0, 2.0]), ignore_index=255, reduction="none")
    torch.testing.assert_close(pixels, expected)
    nothing = loss(logits, label, weight=torch.zeros_like(pixels), ignore_index=255)
    assert nothing.item() == 0.0
