"""The dice loss with sums over the whole batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import nn

from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


@MODELS.register_module()
class BatchDiceLoss(nn.Module):
    """`1 - mean_c (2 sum p_c g_c + s) / (sum p_c + sum g_c + s)` over the labelled pixels of the whole batch.

    p_c are the softmax's probabilities and g_c is 1 where the label is c. The mean is over all C classes: one that a
    batch does not hold costs what is predicted of it. With class weights w the mean over classes is by them,
    `sum_c w_c (1 - d_c) / sum_c w_c` with the quotients d_c, so that their scale does not matter. mmseg's own
    `DiceLoss` is another: it sums over each sample.

    Source: Milletari et al., V-Net (2016), equation for D, with plain instead of squared sums in the denominator.

    Args:
        smooth: The s that makes an absent class that is not predicted perfect.
        loss_weight: Factor of the result.
        loss_name: Key in mmseg's losses; it must begin with `loss_` to be summed.
        class_weight: One weight a class; `None` for equal weights.
    """

    def __init__(
        self,
        smooth: float = 1.0,
        loss_weight: float = 1.0,
        loss_name: str = "loss_dice",
        class_weight: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.smooth = smooth
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
        """Returns the loss, a scalar, by the signature that mmseg's heads call.

        Args:
            cls_score: Logits [N, C, H, W].
            label: Classes [N, H, W].
            weight: Weight of each pixel [N, H, W] in all sums.
            ignore_index: Label that counts nowhere.
            reduction_override: Anything but `"none"`.

        Raises:
            UnsupportedOperationError: The loss of each pixel is asked for; only a batch has one.
        """
        if reduction_override == "none":
            message = "the dice loss is of a whole batch: a pixel has none that hard example mining could sort by"
            raise UnsupportedOperationError(message, "Use cross_entropy or focal with a pixel sampler.")
        labelled = label != ignore_index
        if not bool(labelled.any()):
            return 0.0 * cls_score.sum()  # with a graph, so that a training step stays possible
        counted = labelled.to(cls_score.dtype) if weight is None else labelled * weight
        probabilities = cls_score.softmax(dim=1)
        truth = F.one_hot(label.masked_fill(~labelled, 0), cls_score.shape[1]).movedim(-1, 1) * counted.unsqueeze(1)
        predicted = probabilities * counted.unsqueeze(1)
        axes = tuple(axis for axis in range(predicted.dim()) if axis != 1)
        both = (probabilities * truth).sum(axes)
        dice = (2.0 * both + self.smooth) / (predicted.sum(axes) + truth.sum(axes) + self.smooth)
        if self.class_weight is None:
            return self.loss_weight * (1.0 - dice.mean())
        weights = dice.new_tensor(self.class_weight)
        return self.loss_weight * (weights * (1.0 - dice)).sum() / weights.sum().clamp(min=1e-6)
