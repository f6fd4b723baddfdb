"""A decode head for networks that end in logits themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead

if TYPE_CHECKING:
    import torch


class LogitsHead(BaseDecodeHead):
    """Takes what a plain network returns for logits, and adds mmseg's resizing and loss.

    Args:
        num_classes: Number of classes.
        kwargs: Of mmseg's `BaseDecodeHead`: `ignore_index`, `loss_decode`, `align_corners`.
    """

    def __init__(self, num_classes: int, **kwargs: Any) -> None:
        super().__init__(num_classes, num_classes, num_classes=num_classes, dropout_ratio=0.0, init_cfg=None, **kwargs)
        del self.conv_seg  # the network has its own classifier

    def forward(self, inputs: Any) -> torch.Tensor:
        """Returns the network's logits [N, classes, h, w]; of several outputs the last."""
        logits: torch.Tensor = inputs[-1] if isinstance(inputs, (list, tuple)) else inputs
        return logits
