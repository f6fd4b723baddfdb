from __future__ import annotations

import pytest
import torch

from bench_segmentation.descriptors import DigitsOptions
from bench_segmentation.digits import Digits
from bench_segmentation.task import Segmentation
from harness.registry.dataset import LoaderRequest


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def digits():
    return Digits(options=DigitsOptions(size=32, train=8, val=4, test=6))


@pytest.fixture(scope="session")
def meta(digits):
    return digits.meta()


@pytest.fixture(scope="session")
def task():
    segmentation = Segmentation()
    segmentation.setup()
    return segmentation


@pytest.fixture
def batch(digits, task):
    from mmengine.runner import Runner

    loader = Runner.build_dataloader(digits.loader(LoaderRequest(split="train", batch_size=4)))
    return next(iter(loader))
