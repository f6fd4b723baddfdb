"""A decode head for networks that end in logits themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead

from harness.errors import UserError


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
        """Returns the network's logits [N, classes, h, w]: of several outputs the last, of a mapping its `out`.

        Raises:
            UserError: The network returns something else.
        """
        logits = inputs[-1] if isinstance(inputs, (list, tuple)) else inputs
        logits = logits.get("out") if isinstance(logits, Mapping) else logits
        if not isinstance(logits, torch.Tensor):
            message = f"the network returns a {type(inputs).__name__} where logits [N, classes, h, w] are needed"
            raise UserError(message, "Return a tensor, a list whose last entry is one, or a mapping with `out`.")
        return logits
