"""The rank of feature maps."""

from __future__ import annotations

import torch

from bench_pruning.criteria.map_criterion import MapCriterion


class HRank(MapCriterion):
    """The mean over the calibration images of the rank of a channel's map, as a matrix [H, W].

    Singular values above `max(H, W)` times the precision of the maps times the largest one count, as in the authors'
    code. The rank jumps with small changes, is at most min(H, W), so that layers of other resolution do not compare
    (`allocation=uniform`), and says nothing of tokens and vectors. Maps are seen as in `MapCriterion`: in eval mode
    behind normalisation and activation, as the authors do, and behind pooling wherever that stands before the next
    layer (theirs: only in the stem of a ResNet-50). Layers on one stream are averaged, theirs are ranked one by one.

    It takes one singular value decomposition for each map: 2 ms for 128 x 128 pixels on one core, 7 ms for 256 x 256.

    Source: Lin et al., HRank: Filter Pruning using High-Rank Feature Map (CVPR 2020).
    """

    def measure(self, maps: torch.Tensor) -> torch.Tensor | None:
        """Returns the rank of each channel's map, summed over the images, [C]; `None` for maps without two axes."""
        if maps.dim() != 5:  # [N, C, P, H, W]
            return None
        ranks = torch.linalg.matrix_rank(_full_precision(maps))
        total: torch.Tensor = ranks.double().mean(2).sum(0)
        return total


def _full_precision(maps: torch.Tensor) -> torch.Tensor:
    return maps if maps.dtype == torch.float64 else maps.float()
