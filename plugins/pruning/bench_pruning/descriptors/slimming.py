"""What network slimming offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors.common import CONTROLS, VERIFIED, PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class SlimmingOptions(PruningOptions):
    """Options of network slimming; as in the paper, channels of all layers are ranked together."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: one ranking over all groups.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )
    sparsity: float = Field(
        default=1e-4, gt=0, description="Weight of the sum of absolute scales in the loss (the authors: 1e-4 and 1e-5)."
    )
    iterations: int | None = Field(
        default=None, ge=1, description="Optimiser steps of the sparse training; none: as many as a recovery has."
    )


SLIMMING = pruning_method(
    name="slimming",
    summary="Channels whose normalisation scales a sparse training has made small (Liu et al., 2017).",
    implementation="bench_pruning.criteria.slimming:Slimming",
    source=Publication(
        paper="Liu et al., Learning Efficient Convolutional Networks through Network Slimming, ICCV 2017",
        where="equation 1",
        fidelity="adapted",
        note=VERIFIED + "The subgradient and exact counts are tests; the sparse training starts from the baseline "
        "and has a budget of its own, whose optimiser may decay scales as well; channels that no normalisation "
        "scales stay.",
    ),
    options=SlimmingOptions,
    seed_refusal="",
    needs=frozenset({"weights", "forward", "gradients", "samples", "training"}),
    # Its sparse training is by default as long as a recovery: random channels with both are the control at its total.
    controls=(*CONTROLS, "random+finetune+finetune"),
)
