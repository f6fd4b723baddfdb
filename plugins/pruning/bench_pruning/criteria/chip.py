"""Channel independence of feature maps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_pruning.criteria.independence import independence
from bench_pruning.criteria.map_criterion import MapCriterion

if TYPE_CHECKING:
    import torch


class CHIP(MapCriterion):
    """The mean over the calibration images of what the nuclear norm of all maps loses with a channel's.

    An image's maps are the rows of A = [C, H W]; those of the group count, without others that a layer reads beside
    them, and pixels of tied channels stand side by side. Maps are seen as in `MapCriterion`: behind normalisation and
    activation.

    Source: Sui et al., CHIP: CHannel Independence-based Pruning for Compact Neural Networks (NeurIPS 2021),
    definition of channel independence of single maps.
    """

    def measure(self, maps: torch.Tensor) -> torch.Tensor:
        """Returns the channel independence, summed over the images, [C]."""
        total: torch.Tensor = sum(independence(image.flatten(1)) for image in maps)  # type: ignore[assignment]
        return total
