"""A decode head of mmseg around a plain classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from mmseg.models.decode_heads.decode_head import BaseDecodeHead

from bench_segmentation.networks.classifiers import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class ClassifierHead(BaseDecodeHead):
    """Reads one stage of the backbone, and leaves resizing and loss to mmseg.

    Args:
        layout: One of `bench_segmentation.networks.classifiers.LAYOUTS`.
        in_channels: Channels of the stage.
        channels: Channels inside.
        num_classes: Number of classes.
        dropout: Probability of the layout's dropout.
        kwargs: Of mmseg's `BaseDecodeHead`: `in_index`, `ignore_index`, `loss_decode`.
    """

    def __init__(
        self, layout: str, in_channels: int, channels: int, num_classes: int, dropout: float, **kwargs: Any
    ) -> None:
        super().__init__(in_channels, channels, num_classes=num_classes, dropout_ratio=0.0, init_cfg=None, **kwargs)
        del self.conv_seg  # the classifier has its own
        self.classifier = LAYOUTS[layout](in_channels, channels, num_classes, dropout)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Returns logits [N, classes, h, w] of the backbone's stages."""
        return cast("Tensor", self.classifier(self._transform_inputs(inputs)))
