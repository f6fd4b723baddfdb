"""Data sets on disk as the engine sees them."""

from __future__ import annotations

from typing import Any

from bench_segmentation.datasets.counted_labels import weights_of
from bench_segmentation.datasets.listing import open_folder
from bench_segmentation.datasets.options import FolderOptions
from harness.errors import DataError
from harness.registry.dataset import Dataset, DatasetMeta, LoaderRequest


class FolderDataset(Dataset[FolderOptions]):
    """Any of the data sets on disk; its options know which."""

    def meta(self) -> DatasetMeta:
        """Returns classes, sizes and the ImageNet statistics that all of the rows normalise by.

        Raises:
            UserError: No root is given.
            DataError: The root is no folder, or class weights are asked for and its label maps cannot be counted.
        """
        folder = open_folder(self.options)
        return DatasetMeta(
            splits=folder.splits,
            input_size=(self.options.height, self.options.width),
            mean=(123.675, 116.28, 103.53),
            std=(58.395, 57.12, 57.375),
            classes=folder.classes,
            palette=folder.palette,
            ignore_index=folder.ignored,
            class_weights=weights_of(folder),
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
        drop_last = self.options.drop_last and request.split != "train"
        if drop_last:
            self._require_full_batch(request, len(folder.pairs(request.split)))
        return {
            "batch_size": request.batch_size,
            "num_workers": request.workers,
            "persistent_workers": request.workers > 0,
            "drop_last": drop_last,
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

    def _require_full_batch(self, request: LoaderRequest, samples: int) -> None:
        """Raises a `DataError` if `drop_last` would leave nothing."""
        available = min(samples, request.samples or samples)
        if available < request.batch_size:
            message = f"{self.options.dataset}: drop_last leaves nothing of {available} samples of {request.split}"
            hint = f"Choose evaluation.batch_size <= {available} (it is {request.batch_size}), or drop_last=false."
            raise DataError(message, hint)
