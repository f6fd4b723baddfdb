"""SegNet and the U-Nets of full width."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.models.components import chosen_loss
from bench_segmentation.models.plain import plain_segmentor
from bench_segmentation.network_options import DropoutOptions, WidthOptions
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta


class SimpleSegNet(Model[WidthOptions]):
    """Four stages down and four up, which put values back where the maxima of pooling were."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config."""
        return _plain("segnet.SimpleSegNet", meta, self.options)


class TransposedUNet(Model[WidthOptions]):
    """A U-Net with transposed convolutions."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config."""
        return _plain("unets.TransposedUNet", meta, self.options)


class BilinearUNet(Model[DropoutOptions]):
    """A U-Net with bilinear resizing and dropout."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config."""
        return _plain("unets.BilinearUNet", meta, self.options, dropout=self.options.dropout)


def _plain(network: str, meta: DatasetMeta, options: WidthOptions, **arguments: float) -> dict[str, Any]:
    sizes = {"classes": len(meta.classes), "base_channels": options.base_channels}
    config = plain_segmentor(meta, {"type": f"bench_segmentation.networks.{network}", **sizes, **arguments})
    config["decode_head"]["loss_decode"] = chosen_loss(meta, options)
    return config
