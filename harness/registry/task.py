"""The contract of a task plugin: what differs between segmentation, detection and regression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from harness.registry.dataset import DatasetMeta
    from harness.registry.picture import Picture

Batch = Any
"""What an mmengine data loader yields: `{"inputs": list of [C, H, W], "data_samples": list}`."""


class Task(ABC):
    """Everything the engine needs to know about a kind of dense prediction."""

    @abstractmethod
    def setup(self) -> str:
        """Imports and registers what configs refer to; returns the mmengine default scope, e.g. `"mmseg"`."""

    @abstractmethod
    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Returns a new network for a model config, its weights initialised from torch's current seed.

        `SyncBatchNorm` is already replaced by plain batch normalisation, and a later `init_weights()`
        (mmengine's `Runner.train` calls it) does nothing.

        Raises:
            UserError: The config cannot be built here (a missing package or compiled operation).
        """

    @abstractmethod
    def forward(self, model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
        """Returns the raw outputs of *all* heads, auxiliary ones included, with their autograd graph.

        Args:
            model: The network, in whichever mode it is.
            images: Normalised images [N, 3, H, W].
        """

    @abstractmethod
    def predict(self, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Returns what inference computes for normalised images [N, 3, H, W]; timed and counted for MACs.

        For segmentation: logits [N, classes, H, W].
        """

    @abstractmethod
    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Returns the total training loss, a scalar with its graph, of a batch from a loader."""

    def images(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Returns the normalised images [N, 3, H, W] of a batch from a loader, as the training loss sees them.

        By default what the model's mmengine data preprocessor makes in training, random augmentation included.

        Raises:
            UnsupportedOperationError: The model has no such data preprocessor.
        """
        from torch import Tensor

        preprocess: Any = getattr(model, "data_preprocessor", None)
        images = preprocess(batch, True)["inputs"] if preprocess is not None else None
        if not isinstance(images, Tensor):
            message = f"{type(model).__name__} has no data preprocessor that makes one tensor of a batch's images"
            raise UnsupportedOperationError(message, "Override `images` of the task, or use a method without it.")
        return images

    def class_maps(self, model: nn.Module, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Returns those of `forward`'s outputs that are logits of classes, [N, classes, ...] each; by default none.

        Methods compare distributions over classes, and a network has outputs that are none: boxes, masks, regression.
        """
        del model, outputs
        return []

    def batch_problem(self, batch: Batch, meta: DatasetMeta, *, training: bool) -> str:
        """Returns in what a loader's batch is not what the task reads, empty if it is.

        It is asked of the first batch of every training, evaluation and calibration, before anything is computed from
        it. By default a batch holds `inputs`, images [3, H, W], and as many `data_samples`; a task that reads labels
        looks at those too.

        Args:
            batch: What the loader gave.
            meta: The data set's facts.
            training: Whether a loss is computed from it, or it is evaluated.
        """
        del meta, training
        if not isinstance(batch, Mapping) or not {"inputs", "data_samples"} <= set(batch):
            found = f"a mapping of {', '.join(map(str, batch))}" if isinstance(batch, Mapping) else type(batch).__name__
            return f"a batch is {found or 'empty'}; expected a mapping with inputs and data_samples"
        images, samples = batch["inputs"], batch["data_samples"]
        if len(images) == 0 or len(images) != len(samples):
            return (
                f"a batch has {len(images)} inputs and {len(samples)} data_samples; expected as many, and one at least"
            )
        for position, image in enumerate(images):
            shape = getattr(image, "shape", None)
            if shape is None or len(shape) != 3 or shape[0] != 3:
                form = type(image).__name__ if shape is None else list(shape)
                return f"{sample_name(batch, position)}: its image is {form}; expected [3, H, W]"
        return ""

    @abstractmethod
    def evaluator(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the mmengine evaluator config of the framework's own metric."""

    def evaluator_of(self, meta: DatasetMeta, metric: str) -> dict[str, Any]:
        """Returns an evaluator config that gives one metric at least, for who asks for it again and again.

        By default `evaluator`; a task whose further figures take long leaves them out.

        Args:
            meta: The data set's facts.
            metric: A name of the descriptor's metrics, or of those that `metrics` returns besides.
        """
        del metric
        return self.evaluator(meta)

    @abstractmethod
    def metrics(self, raw: Mapping[str, float], meta: DatasetMeta) -> dict[str, float]:
        """Returns the framework's figures under the descriptor's metric names and units.

        Args:
            raw: What the evaluator returned.
            meta: The data set's facts.
        """

    def paint(self, models: Mapping[str, nn.Module], batch: Batch, meta: DatasetMeta) -> list[Picture]:
        """Returns a picture of each sample of a batch: its input, its label, and what each model makes of it.

        Two models are the baseline and one that is compared with it; a further panel shows where they disagree. By
        default nothing is painted.

        Args:
            models: By what they are called, in eval mode, on one device; they and the batch stay as they are.
            batch: From a loader that does not augment.
            meta: The data set's facts.

        Raises:
            UnsupportedOperationError: The task paints no predictions.
        """
        del models, batch, meta
        message = f"{type(self).__name__} paints no predictions"
        raise UnsupportedOperationError(message, "Override `paint` of the task, or look at its figures.")


def sample_name(batch: Batch, position: int) -> str:
    """Returns what to call a sample of a batch: its place in it, with the file or number that mmengine notes for it."""
    known = getattr(batch["data_samples"][position], "metainfo", {})
    noted = next((f" ({key} {known[key]})" for key in ("img_path", "img_id") if known.get(key) is not None), "")
    return f"sample {position} of the first batch{noted}"
