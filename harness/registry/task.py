"""The contract of a task plugin: what differs between segmentation, detection and regression."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch
    from torch import nn

    from harness.registry.dataset import DatasetMeta

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

    @abstractmethod
    def evaluator(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the mmengine evaluator config of the framework's own metric."""

    @abstractmethod
    def metrics(self, raw: Mapping[str, float], meta: DatasetMeta) -> dict[str, float]:
        """Returns the framework's figures under the descriptor's metric names and units.

        Args:
            raw: What the evaluator returned.
            meta: The data set's facts.
        """
