"""The network as a model of the segmentation task."""

from typing import Any

from bench_example_model.descriptors import SkipNetOptions
from bench_segmentation.models.plain import plain_segmentor
from harness.registry import DatasetMeta, Model


class SkipNetModel(Model[SkipNetOptions]):
    """The task adapter `plain_segmentor` adds normalisation, loss and inference."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns what artifacts rebuild the model from: the class by its path, and its arguments."""
        network = {"type": "bench_example_model.network.SkipNet", "classes": len(meta.classes)}
        return plain_segmentor(meta, {**network, "width": self.options.width})
