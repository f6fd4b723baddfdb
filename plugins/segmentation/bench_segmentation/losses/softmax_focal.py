"""The focal loss of a softmax over all classes."""

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
class SoftmaxFocalLoss(nn.Module):
    """`alpha (1 - p)^gamma CE`, averaged over the labelled pixels; p = exp(-CE) is the label's probability.

    With class weights w the average is by them: `sum_i w[y_i] f_i / sum_i w[y_i]` over labelled pixels i with loss f_i,
    as in `ClassWeightedCrossEntropy`, which it is at gamma 0. The weights are no part of p.

    mmseg's own `FocalLoss` is another: the sum of one sigmoid's loss a class.

    Source: Lin et al., Focal Loss for Dense Object Detection (2017), equation 5, with the softmax's probability.

    Args:
        gamma: How much pixels that are already right are weighted down; 0 is the plain cross-entropy.
        alpha: Factor of every pixel.
        loss_weight: Factor of the result.
        loss_name: Key in mmseg's losses; it must begin with `loss_` to be summed.
        class_weight: One weight a class; `None` for equal weights.
    """

    def __init__(
        self,
        gamma: float = 2.0,
        alpha: float = 1.0,
        loss_weight: float = 1.0,
        loss_name: str = "loss_focal",
        class_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.alpha = alpha
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.class_weight = class_weight

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
        cross_entropy = F.cross_entropy(cls_score, label, ignore_index=ignore_index, reduction="none")
        # An ignored pixel has cross-entropy 0 and so no loss. expm1 keeps the digits of 1 - p near p = 1; a
        # cross-entropy that rounding made negative would have no real power.
        wrong = -(-cross_entropy.clamp(min=0.0)).expm1()
        losses = self.alpha * _power(wrong, self.gamma) * cross_entropy
        class_weight = None if self.class_weight is None else losses.new_tensor(self.class_weight)
        of_labels = label_weights(label, class_weight, ignore_index)
        losses = losses * of_labels if weight is None else losses * of_labels * weight
        return self.loss_weight * (losses if reduction_override == "none" else mean_over_labels(losses, of_labels))


def _power(base: Tensor, exponent: float) -> Tensor:
    """Returns base^exponent with a finite gradient where the base is 0, for exponents below 1 as well."""
    if exponent == 0.0:
        return base.new_ones(base.shape)
    return (base if exponent >= 1.0 else base.clamp(min=1e-12)).pow(exponent)
