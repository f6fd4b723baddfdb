"""One data set, read as the engine reads it."""

from __future__ import annotations

import hashlib
import pickle
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.runner import Runner

from harness.engine.first_batch import open_loader
from harness.engine.workbench import Workbench
from harness.registry import Batch, LoaderRequest, Split
from harness.testing.surroundings import Surroundings

BATCH_SIZE = 2
ITERATIONS = 8


class DatasetTrial:
    """A data set of a task.

    Args:
        surroundings: Task and data set.
        work: A folder for files.
        samples: How many samples of a split are looked at.
    """

    def __init__(self, surroundings: Surroundings, work: Path, samples: int) -> None:
        self._surroundings = surroundings
        self._work = work
        self._samples = samples

    @cached_property
    def bench(self) -> Workbench:
        """The surroundings of all stages."""
        return self._surroundings.workbench(self._work)

    def training(self, iterations: int = ITERATIONS, seed: int = 0) -> LoaderRequest:
        """Returns what a training asks for."""
        return LoaderRequest(split="train", batch_size=BATCH_SIZE, seed=seed, shuffle=True, iterations=iterations)

    def one_pass(self, split: Split) -> LoaderRequest:
        """Returns what calibration and evaluation ask for."""
        return LoaderRequest(split=split, batch_size=BATCH_SIZE, samples=self._samples)

    def batches(self, request: LoaderRequest) -> list[Batch]:
        """Returns the batches of a request; of a training without end, as many as it needs."""
        return list(islice(self._loader(request), request.iterations))

    def digests(self, request: LoaderRequest) -> list[str]:
        """Returns a digest of each batch: its images, and its labels as they print."""
        return [_digest(batch) for batch in self.batches(request)]

    def images(self, split: Split, samples: int) -> list[str]:
        """Returns the digests of the first images of a split, without augmentation."""
        request = LoaderRequest(split=split, batch_size=1, samples=samples)
        return [_of_image(image) for batch in islice(self._loader(request), samples + 1) for image in batch["inputs"]]

    def differences_of_pickle(self) -> list[str]:
        """Returns the parts of a loader that are others behind pickling: the first sample, and the collation."""
        loader = self._loader(self.training())
        dataset, collate = pickle.loads(pickle.dumps((loader.dataset, loader.collate_fn)))
        one, other = loader.dataset[0], dataset[0]
        changed = [] if _of_image(one["inputs"]) == _of_image(other["inputs"]) else ["the first sample's images"]
        if _digest(loader.collate_fn([one])) != _digest(collate([other])):
            changed.append("the batch of the first sample")
        return changed

    def _loader(self, request: LoaderRequest) -> Any:
        return Runner.build_dataloader(open_loader(self.bench, request))


def _digest(batch: Batch) -> str:
    images = "".join(_of_image(image) for image in batch["inputs"])
    return hashlib.sha256(f"{images}{_labels(batch['data_samples'])}".encode()).hexdigest()


def _of_image(image: Any) -> str:
    pixels = np.ascontiguousarray(image)
    return hashlib.sha256(f"{pixels.shape}{pixels.dtype}".encode() + pixels.tobytes()).hexdigest()


def _labels(samples: Any) -> str:
    """Returns a digest of label maps and of what else samples hold, whichever structure the task has."""
    return hashlib.sha256(pickle.dumps([_plain(sample) for sample in samples])).hexdigest()


def _plain(value: Any) -> Any:
    """Returns tensors as bytes and structures as lists of what they hold, in a fixed order."""
    if hasattr(value, "all_items"):
        return [(name, _plain(part)) for name, part in sorted(value.all_items())]
    if isinstance(value, torch.Tensor):
        return value.numpy().tobytes()
    if isinstance(value, dict):
        return [(name, _plain(part)) for name, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value
