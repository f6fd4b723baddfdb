from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.runner import Runner

from bench_digits import SceneGenerator
from bench_segmentation.recolouring import recolour
from harness.registry.dataset import LoaderRequest


class Draws:
    """Draws that leave everything as it is, except for what a test asks."""

    def __init__(self, contrast=1.0, shift=0.0, inversion=0.9, order=(0, 1, 2)):
        self.values = [np.full((3, 1), contrast), np.full((3, 1), shift)]
        self.inversion, self.order = inversion, order

    def uniform(self, low, high, size):
        return self.values.pop(0)

    def random(self):
        return self.inversion

    def permutation(self, count):
        return np.array(self.order)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (4, 5, 3)).astype(np.uint8)


def test_neutral_draws_change_nothing(image):
    assert np.array_equal(recolour(image, Draws()), image)


def test_inversion_channel_order_and_shift(image):
    assert np.array_equal(recolour(image, Draws(inversion=0.1)), 255 - image)
    assert np.array_equal(recolour(image, Draws(order=(2, 0, 1))), image[:, :, [2, 0, 1]])
    brighter = np.minimum(image.astype(int) + 20, 255)
    assert np.array_equal(recolour(image, Draws(shift=20.0)), brighter)


def test_contrast_pulls_towards_the_middle(image):
    flat = recolour(image, Draws(contrast=0.0))
    assert np.array_equal(flat, np.full_like(image, 127))


@pytest.mark.usefixtures("task")
def test_only_training_recolours_and_it_repeats_under_the_seed(digits):
    def first(**request):
        loader = Runner.build_dataloader(digits.loader(LoaderRequest(split="train", batch_size=4, seed=3, **request)))
        return next(iter(loader))

    training, again = (first(shuffle=True, iterations=2) for _ in range(2))
    plain = first()
    scene = SceneGenerator("train", 3, 32).scene(0)
    assert np.array_equal(plain["inputs"][0].numpy()[::-1].transpose(1, 2, 0), scene.image)
    assert not torch.equal(training["inputs"][0], plain["inputs"][0])
    assert torch.equal(training["inputs"][0], again["inputs"][0])
    assert np.array_equal(training["data_samples"][0].gt_sem_seg.data[0].numpy(), scene.mask)
