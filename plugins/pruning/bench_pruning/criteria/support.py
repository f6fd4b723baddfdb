"""How much channels support the classes of a prediction, by features times gradients.

Source: Lv et al., FGP: Feature-Gradient-Prune for Efficient Convolutional Layer Pruning (arXiv 2411.12781).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch.nn import functional as F

Weighting = Literal["pixel", "mean"]

ROUNDING = 1e-12
"""By how much, relatively, a remaining share may exceed what a threshold leaves out and still count as equal."""


def class_targets(logits: torch.Tensor) -> list[torch.Tensor]:
    """Returns sums of y_d, of one predicted class of each image: the first's of all images, the second's, and so on.

    y_d is the sum of a class's logits over the pixels predicted as it. Images are added: where they do not influence
    each other, the gradient for each image is that of its own y_d, so that there are no more targets than the most
    classes of one image. Classes that an image does not show have y_d = 0 and are left out. Of a single logit all
    pixels count.

    Args:
        logits: [N, D, ...] with the graph.
    """
    predicted = logits.detach().argmax(dim=1)
    present = [torch.bincount(labels.flatten()).nonzero().flatten().tolist() for labels in predicted]
    turns = range(max(map(len, present), default=0))
    chosen = [[(image, found[turn]) for image, found in enumerate(present) if turn < len(found)] for turn in turns]
    return [
        torch.stack([(logits[image, number] * (predicted[image] == number)).sum() for image, number in pairs]).sum()
        for pairs in chosen
    ]


def class_support(features: torch.Tensor, gradients: torch.Tensor, weighting: Weighting = "pixel") -> torch.Tensor:
    """Returns the mean over pixels of relu(G * F), the support of one class by each channel, [N, C] in 64 bits.

    Args:
        features: F, a layer's feature maps [N, C, ...].
        gradients: G = d y_d / d F of a class d, like `features`.
        weighting: `pixel` multiplies pixel by pixel; `mean` by the mean of G over the map, the weight of Grad-CAM.
    """
    maps, factors = (part if part.dtype == torch.float64 else part.float() for part in (features, gradients))
    maps, factors = maps.flatten(2), factors.flatten(2)
    if weighting == "mean":
        factors = factors.mean(dim=2, keepdim=True)
    return F.relu(maps * factors).mean(dim=2).double()


def shares(support: torch.Tensor) -> torch.Tensor:
    """Returns the support values C^s of a layer [C] divided by their sum; zeros if nothing is supported."""
    total = support.sum()
    return support / total if total > 0 else torch.zeros_like(support)


def tail_shares(support: torch.Tensor) -> torch.Tensor:
    """Returns each channel's share and those of all channels with less support, [C] in 64 bits, in [0, 1].

    A channel belongs to the smallest set with a share of at least T of the support just if its value is above 1 - T:
    those before it do not have T yet. So one ranking by these values gives what one T for all layers gives. Of equal
    supports the lower index has the smaller value. Without any support no channel is worth less: all have 1.
    """
    part = shares(support.detach().cpu().double())
    if not bool(part.any()):
        return torch.ones_like(part)
    order = torch.argsort(part, stable=True)
    result = torch.empty_like(part)
    result[order] = part[order].cumsum(0).clamp(max=1)
    return result


def kept_prefix(support: torch.Tensor, threshold: float) -> torch.Tensor:
    """Returns the smallest set of channels with a share of at least T of the support, ascending indices [K], K >= 1.

    T = 1 keeps every channel with support.

    Args:
        support: Support values C^s of a layer, not negative, [C].
        threshold: T, in (0, 1].
    """
    tails = tail_shares(support)
    kept = tails > (1 - threshold) * (1 + ROUNDING)
    kept[tails.argmax()] = True
    return kept.nonzero().flatten()
