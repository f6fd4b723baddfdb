"""What HRank offers, without torch."""

from __future__ import annotations

from bench_pruning.descriptors.common import pruning_method
from harness.registry.descriptors import Publication

HRANK = pruning_method(
    name="hrank",
    summary="Channels whose feature maps have the lowest rank (Lin et al., 2020).",
    implementation="bench_pruning.criteria.hrank:HRank",
    source=Publication(
        paper="Lin et al., HRank: Filter Pruning using High-Rank Feature Map, CVPR 2020",
        where="the mean rank of feature maps as importance",
        fidelity="adapted",
        note="Known ranks are tests; measured where channels are read, the mean over layers that share them; one ratio "
        "for all layers, where the paper gives each its own.",
    ),
    needs=frozenset({"weights", "forward", "samples"}),
)
