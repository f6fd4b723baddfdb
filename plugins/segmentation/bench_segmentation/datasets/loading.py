"""Data sets on disk as the engine sees them."""

from __future__ import annotations

from typing import Any

from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.options import FolderOptions
from harness.errors import DataError
from harness.registry.dataset import Dataset, DatasetMeta, LoaderRequest


class FolderDataset(Dataset[FolderOptions]):
    """Any of the data sets on disk; its options know which."""

    def meta(self) -> DatasetMeta:
        """Returns classes, sizes and the ImageNet statistics that all of the rows normalise by."""
        folder = open_folder(self.options)
        return DatasetMeta(
            splits=folder.splits,
            input_size=(self.options.height, self.options.width),
            mean=(123.675, 116.28, 103.53),
            std=(58.395, 57.12, 57.375),
            classes=folder.classes,
            palette=folder.palette,
            ignore_index=folder.ignored,
        )

    def loader(self, request: LoaderRequest) -> dict[str, Any]:
        """Returns a loader config; in training the index of a sample counts on through all passes.

        The data set itself draws order and augmentation from the seed and that index, so that the sampler keeps the
        order and a resumed run goes on with the samples that are due.

        Raises:
            DataError: The split has no labels, or training does not say its number of iterations.
        """
        import bench_segmentation.datasets.transforms  # noqa: F401 - registers them
        from bench_segmentation.datasets.folder_samples import FolderSamples

        folder = open_folder(self.options)
        folder.require_split(request.split)
        if request.shuffle and request.iterations is None:
            message = f"a training loader of {self.options.dataset} needs the number of iterations"
            raise DataError(message, "Set LoaderRequest.iterations.")
        drawn = request.iterations * request.batch_size if request.shuffle and request.iterations else None
        return {
            "batch_size": request.batch_size,
            "num_workers": request.workers,
            "persistent_workers": request.workers > 0,
            "sampler": {"type": "InfiniteSampler" if request.shuffle else "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "pseudo_collate"},
            "dataset": {
                "type": FolderSamples,
                "options": self.options,
                "split": request.split,
                "seed": request.seed,
                "drawn": drawn,
                "samples": request.samples,
            },
        }
