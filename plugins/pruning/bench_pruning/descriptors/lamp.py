"""What structured LAMP offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors.common import PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class LAMPOptions(PruningOptions):
    """Options of LAMP; as in the paper, all layers are ranked together."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: one ranking over all groups.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )


LAMP = pruning_method(
    name="lamp",
    summary="Filters whose squared norm is least among those of their group that are not smaller (Lee et al., 2021).",
    implementation="bench_pruning.criteria.lamp:LAMP",
    source=Publication(
        paper="Lee et al., Layer-adaptive Sparsity for the Magnitude-based Pruning, ICLR 2021",
        where="the LAMP score, of filters",
        fidelity="adapted",
        note="Toy numbers, scale behaviour and the last channel of each group are tests; the paper scores single "
        "weights, not filters.",
    ),
    options=LAMPOptions,
)
