"""What the FGP criterion offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors import PruningOptions, pruning_method


class FGPOptions(PruningOptions):
    """Options of FGP; as in the paper, one threshold of support holds for all layers, here the one of the ratio."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: the same threshold of support in every group.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )
    weighting: Literal["pixel", "mean"] = Field(
        default="pixel",
        description="pixel: features times gradients at each pixel; mean: times the gradient's mean over the map.",
    )


FGP = pruning_method(
    name="fgp",
    summary="Channels that support the classes of a prediction least, by feature times gradient (Lv et al., 2024).",
    implementation="bench_pruning.criteria.fgp:FGP",
    options=FGPOptions,
    needs=frozenset({"weights", "forward", "gradients", "samples"}),
)
