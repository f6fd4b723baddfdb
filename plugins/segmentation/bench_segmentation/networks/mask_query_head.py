"""A Mask2Former whose mask logits are read as feature maps: a convolution over queries in place of the matching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from mmseg.models.decode_heads.mask2former_head import Mask2FormerHead
from mmseg.models.losses import accuracy
from mmseg.models.utils import resize
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class MaskQueryHead(Mask2FormerHead):
    """`Conv3x3(queries -> classes)` over the last layer's mask logits, trained pixel by pixel.

    There is no matching, and no classification of queries: what Mask2Former has for these is taken out. The masks of
    earlier layers only guide attention, as there.

    Args:
        num_classes: Number of classes.
        num_queries: Number of queries.
        loss_decode: Configs of losses of logits [N, classes, H, W] and labels [N, H, W].
        ignore_index: Label that counts nowhere.
        kwargs: Of mmseg's `Mask2FormerHead`.
    """

    def __init__(
        self,
        num_classes: int,
        num_queries: int,
        loss_decode: Sequence[dict[str, Any]],
        ignore_index: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(num_classes=num_classes, num_queries=num_queries, ignore_index=ignore_index, **kwargs)
        del self.loss_cls, self.loss_mask, self.loss_dice
        self.cls_embed = nn.Identity()  # queries have no classes
        self.classifier = nn.Conv2d(num_queries, num_classes, 3, padding=1)
        self.loss_decode = nn.ModuleList(MODELS.build(config) for config in loss_decode)

    def forward(self, x: Sequence[Tensor], batch_data_samples: Sequence[SegDataSample]) -> Tensor:
        """Returns logits [N, classes, H / 4, W / 4] of the backbone's stages."""
        _, masks = super().forward(x, batch_data_samples)
        return cast("Tensor", self.classifier(masks[-1]))

    def loss(
        self, x: Sequence[Tensor], batch_data_samples: Sequence[SegDataSample], train_cfg: Any
    ) -> dict[str, Tensor]:
        """Returns the losses at the labels' size, by name."""
        del train_cfg
        labels = torch.cat([sample.gt_sem_seg.data for sample in batch_data_samples])
        logits = resize(self(x, batch_data_samples), labels.shape[-2:], mode="bilinear", align_corners=False)
        losses: dict[str, Tensor] = {}
        for loss in self.loss_decode:
            name = str(loss.loss_name)
            losses[name] = loss(logits, labels, ignore_index=self.ignore_index)
        losses["acc_seg"] = accuracy(logits, labels, ignore_index=self.ignore_index)
        return losses

    def predict(self, x: Sequence[Tensor], batch_img_metas: Sequence[dict[str, Any]], test_cfg: Any) -> Tensor:
        """Returns logits [N, classes, H, W] at the padded images' size."""
        del test_cfg
        size = batch_img_metas[0].get("pad_shape") or batch_img_metas[0]["img_shape"]
        samples = [SegDataSample(metainfo=each) for each in batch_img_metas]
        return cast("Tensor", resize(self(x, samples), tuple(size)[:2], mode="bilinear", align_corners=False))
