"""The mean of pixels' losses over the labelled pixels, by the weights of their classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-6
"""A batch without a labelled pixel has loss 0, not 0/0."""


def label_weights(label: Tensor, class_weight: Tensor | None, ignore_index: int) -> Tensor:
    """Returns the weight of each pixel by its label, 0 where that is ignored, [N, H, W].

    Args:
        label: Classes [N, H, W].
        class_weight: One weight a class [C]; `None` for 1 everywhere.
        ignore_index: Label that counts nowhere.
    """
    labelled = label != ignore_index
    if class_weight is None:
        return labelled
    return class_weight[label.masked_fill(~labelled, 0)] * labelled


def mean_over_labels(losses: Tensor, weights: Tensor) -> Tensor:
    """Returns `sum_i l_i / sum_i w_i`, a scalar, of losses l that are weighted already; 0 where no pixel counts.

    Args:
        losses: Weighted loss of each pixel [N, H, W], 0 where it is ignored.
        weights: What `label_weights` returns.
    """
    return losses.sum() / weights.sum().clamp(min=_LEAST)
