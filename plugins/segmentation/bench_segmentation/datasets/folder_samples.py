"""The samples of a folder as an mmseg data set."""

from __future__ import annotations

from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from mmseg.datasets import BaseSegDataset

from bench_segmentation.datasets.fingerprint import require_files
from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.pipeline import reading, training

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from bench_segmentation.datasets.options import FolderOptions
    from harness.registry.dataset import Split


class FolderSamples(BaseSegDataset):
    """A split once in order, or as many samples as a training draws.

    Args:
        options: Validated options; they know which data set it is.
        split: `train`, `val` or `test`.
        seed: Seed of the order and of the augmentation of a training.
        drawn: Samples of a training, which is augmented and has each pass in an order of its own; `None` for one pass.
        samples: Upper bound on one pass; they are spread evenly over the split, whose neighbours are often alike.
    """

    def __init__(
        self, options: FolderOptions, split: Split, seed: int = 0, drawn: int | None = None, samples: int | None = None
    ) -> None:
        self._options = options
        self._split = split
        self._seed = seed
        self._drawn = drawn
        self._samples = samples
        self._folder = open_folder(options)
        steps = reading(self._folder, split) if drawn is None else training(self._folder)
        classes = {"classes": self._folder.classes, "palette": [list(colour) for colour in self._folder.palette]}
        super().__init__(metainfo=classes, ignore_index=self._folder.ignored, pipeline=steps, test_mode=drawn is None)

    def load_data_list(self) -> list[dict[str, Any]]:
        """Returns the files of each sample, in mmseg's form.

        Raises:
            DataError: Files are missing.
        """
        pairs = self._folder.pairs(self._split)
        require_files(self._folder, self._split, pairs)
        if self._samples is not None and self._samples < len(pairs):
            pairs = [pairs[place * len(pairs) // self._samples] for place in range(self._samples)]
        return [
            {
                "img_path": str(pair.image),
                "seg_map_path": str(pair.labels),
                "label_map": None,
                "reduce_zero_label": False,
                "seg_fields": [],
            }
            for pair in pairs
        ]

    def __len__(self) -> int:
        return super().__len__() if self._drawn is None else self._drawn

    def get_data_info(self, idx: int) -> dict[str, Any]:
        """Returns the files of sample `idx`, in training of the pass that it falls into."""
        if self._drawn is not None:
            turn, place = divmod(idx, super().__len__())
            idx = int(_order(self._seed, turn, super().__len__())[place])
        info: dict[str, Any] = super().get_data_info(idx)
        return info

    def prepare_data(self, idx: int) -> Any:
        """Returns sample `idx`; what is drawn for it depends on the seed and `idx` alone."""
        if self._drawn is None:
            return super().prepare_data(idx)
        with _draws(self._seed, idx):
            return super().prepare_data(idx)


@lru_cache(maxsize=4)
def _order(seed: int, turn: int, count: int) -> NDArray[np.int64]:
    """Returns the order of one pass of a training."""
    return np.random.default_rng((seed, turn)).permutation(count)


@contextmanager
def _draws(seed: int, index: int) -> Iterator[None]:
    """Lets numpy's global generator, from which mmseg's transforms draw, begin anew for one sample."""
    state = np.random.get_state()
    np.random.seed(np.random.SeedSequence((seed, index)).generate_state(4))
    try:
        yield
    finally:
        np.random.set_state(state)
