"""The class-weighted cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import nn

from bench_segmentation.losses.averaging import label_weights, mean_over_labels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@MODELS.register_module()
class ClassWeightedCrossEntropy(nn.Module):
    """Softmax cross-entropy averaged over the labelled pixels by their class weights.

    `sum_i w[y_i] * -log p_i[y_i] / sum_i w[y_i]` over pixels i whose label is not ignored, which is what
    `torch.nn.functional.cross_entropy` computes. mmseg's own `CrossEntropyLoss` is not used because it
    fails or averages differently, depending on its version, where class weights meet an ignored label.

    Args:
        class_weight: One weight a class; `None` for equal weights.
        loss_weight: Factor of the result.
        loss_name: Key in mmseg's losses; it must begin with `loss_` to be summed.
    """

    def __init__(
        self,
        class_weight: Sequence[float] | None = None,
        loss_weight: float = 1.0,
        loss_name: str = "loss_ce",
    ) -> None:
        super().__init__()
        self.class_weight = class_weight
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self,
        cls_score: Tensor,
        label: Tensor,
        weight: Tensor | None = None,
        ignore_index: int = -100,
        reduction_override: str | None = None,
    ) -> Tensor:
        """Returns the loss, by the signature that mmseg's heads and pixel samplers call.

        Args:
            cls_score: Logits [N, C, H, W].
            label: Classes [N, H, W].
            weight: Weight of each pixel [N, H, W], e.g. from hard example mining.
            ignore_index: Label that counts nowhere.
            reduction_override: `"none"` for the loss of each pixel [N, H, W].
        """
        class_weight = None if self.class_weight is None else cls_score.new_tensor(self.class_weight)
        losses = F.cross_entropy(cls_score, label, class_weight, ignore_index=ignore_index, reduction="none")
        if weight is not None:
            losses = losses * weight
        if reduction_override == "none":
            return self.loss_weight * losses
        return self.loss_weight * mean_over_labels(losses, label_weights(label, class_weight, ignore_index))
