"""What the Taylor criterion offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors.common import VERIFIED, PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class TaylorOptions(PruningOptions):
    """Options of the Taylor criterion; as in the paper, channels of all layers are ranked together."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: one ranking over all groups.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )
    variant: Literal["gate", "bn", "per_sample", "weight"] = Field(
        default="gate",
        description="gate: gradients of gates behind normalisation, squared for each mini-batch; bn: the same from its "
        "parameters; per_sample: squared for each image; weight: squared for each weight.",
    )


TAYLOR = pruning_method(
    name="taylor",
    summary="Channels whose removal changes the loss least, to first order (Molchanov et al., 2019).",
    implementation="bench_pruning.criteria.taylor:Taylor",
    source=Publication(
        paper="Molchanov et al., Importance Estimation for Neural Network Pruning, CVPR 2019",
        where="equations 5 to 8",
        fidelity="adapted",
        note=VERIFIED + "Closed forms, the identity of gates with scale and shift, and finite differences are "
        "tests; one shot or passes instead of pruning during training, without its moving "
        "average.",
    ),
    options=TaylorOptions,
    seed_refusal="",
    needs=frozenset({"weights", "forward", "gradients", "samples"}),
)
