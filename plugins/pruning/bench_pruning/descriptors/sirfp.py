"""What the SIRFP criterion offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors.common import VERIFIED, PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class SIRFPOptions(PruningOptions):
    """Options of SIRFP; as in the authors' code, channels of all layers are ranked together and 2 % of each stay."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: one ranking over all groups.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )
    max_ratio: float = Field(
        default=0.98, gt=0, le=1, description="Largest fraction that any one group may lose, in each pass."
    )
    variant: Literal["paper", "reference"] = Field(
        default="paper",
        description="paper: channels are not redundant with themselves, borders of maps are continued; reference: as "
        "released, they are, and borders are padded with zeros.",
    )
    edge_weight: float = Field(default=0.4, ge=0, description="Weight of a map's edges in layers of the backbone.")
    head_edge_weight: float = Field(default=0.0, ge=0, description="Weight of a map's edges in all other layers.")
    gradient_weight: float = Field(
        default=0.0,
        ge=0,
        description="Weight of the gradients of normalisation scales; the authors' second version: 0.4, without edges.",
    )
    normalize: bool = Field(
        default=False,
        description="Divide each term by its mean over the group, so that layers of all sizes can be compared.",
    )


SIRFP = pruning_method(
    name="sirfp",
    summary="Channels whose full-resolution feature maps repeat those of others (Wu et al., 2025).",
    implementation="bench_pruning.criteria.sirfp:SIRFP",
    source=Publication(
        paper="Wu et al., Structural Pruning via Spatial-aware Information Redundancy for Semantic Segmentation, "
        "AAAI 2025",
        where="algorithm 1",
        fidelity="adapted",
        note=VERIFIED + "Toy numbers, brute force and the direct greedy are tests; means over images in eval mode "
        "instead of a moving average in training, one ranking instead of two, no re-balanced "
        "loss.",
    ),
    options=SIRFPOptions,
    seed_refusal="",
    needs=frozenset({"weights", "forward", "gradients", "samples"}),
)
