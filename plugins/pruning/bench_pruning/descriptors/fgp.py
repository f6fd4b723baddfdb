"""What the FGP criterion offers, without torch."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from bench_pruning.descriptors.common import PruningOptions, SurgeryOptions, pruning_method
from harness.registry.descriptors import Publication

NEEDS = frozenset({"weights", "forward", "gradients", "samples"})


class SupportOptions(SurgeryOptions):
    """How support is measured."""

    weighting: Literal["pixel", "mean"] = Field(
        default="pixel",
        description="pixel: features times gradients at each pixel; mean: times the gradient's mean over the map.",
    )


class FGPOptions(SupportOptions, PruningOptions):
    """Options of FGP; as in the paper, one threshold of support holds for all layers, here the one of the ratio."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: the same threshold of support in every group.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )


class FGPThresholdOptions(SupportOptions):
    """Options of FGP with its threshold as the input; no ratio is asked for, so none of its options apply."""

    compress_options: ClassVar[frozenset[str]] = SurgeryOptions.compress_options | {"threshold"}

    threshold: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="T: each group keeps the fewest channels with at least this share of its support; 1: all that have "
        "any.",
    )


FGP = pruning_method(
    name="fgp",
    summary="Channels that support the classes of a prediction least, by feature times gradient (Lv et al., 2024).",
    implementation="bench_pruning.criteria.fgp:FGP",
    source=Publication(
        paper="Lv et al., FGP: Feature-Gradient-Prune for Efficient Convolutional Layer Pruning, arXiv 2411.12781",
        where="support values and their cumulative share",
        fidelity="adapted",
        note="Toy numbers are tests; a ratio chooses the threshold of support, which is one for all "
        "layers; the public text says no more than the released code, which does not run.",
    ),
    options=FGPOptions,
    seed_refusal="",
    needs=NEEDS,
)
FGP_THRESHOLD = pruning_method(
    name="fgp_threshold",
    summary="FGP with its threshold as the input: how many channels go is an outcome (Lv et al., 2024).",
    implementation="bench_pruning.criteria.fgp_threshold:FGPThreshold",
    source=Publication(
        paper="Lv et al., FGP: Feature-Gradient-Prune for Efficient Convolutional Layer Pruning, arXiv 2411.12781",
        where="support values and their cumulative share",
        fidelity="adapted",
        note="Toy numbers are tests; layers that share channels have the mean of their shares, layers without support "
        "stay; the public text says no more than the released code, which does not run.",
    ),
    options=FGPThresholdOptions,
    axis=None,
    ratio_targets=(),
    needs=NEEDS,
    # The others need a ratio, which is an outcome here.
    controls=("finetune",),
)
