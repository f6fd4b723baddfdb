"""How active a channel is behind its normalisation and activation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.criteria.map_criterion import MapCriterion

if TYPE_CHECKING:
    from bench_pruning.descriptors.activation import ActivationOptions


class Activation(MapCriterion):
    """Activation over pixels and images, as `MapCriterion` sees it: channels that are seldom or weakly active go.

    * `mean`: the mean of `abs(a)`; behind a ReLU the magnitude is the activation itself. Source: Molchanov et al.,
      Pruning Convolutional Neural Networks for Resource Efficient Inference (ICLR 2017), criterion of mean activation.
    * `apoz`: the share of positive pixels, which behind a ReLU is 1 - APoZ, the average percentage of zeros. Source:
      Hu et al., Network Trimming (arXiv 1607.03250), definition of APoZ.
    """

    options: ActivationOptions

    def measure(self, maps: torch.Tensor) -> torch.Tensor:
        """Returns the mean activation of each channel, summed over the images, [C]."""
        active = maps.abs() if self.options.variant == "mean" else maps > 0
        return active.flatten(2).mean(dim=2, dtype=torch.float64).sum(0)
