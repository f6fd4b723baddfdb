"""What the criterion of activation offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors.common import PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class ActivationOptions(PruningOptions):
    """Options of the criterion of activation."""

    variant: Literal["mean", "apoz"] = Field(
        default="mean",
        description="mean: mean magnitude behind the activation; apoz: share of positive pixels, for a ReLU one minus "
        "the average percentage of zeros (Hu et al., 2016).",
    )


ACTIVATION = pruning_method(
    name="activation",
    summary="Channels that are least active behind their activation function (Molchanov et al., 2017).",
    implementation="bench_pruning.criteria.activation:Activation",
    source=Publication(
        paper="Molchanov et al., Pruning Convolutional Neural Networks for Resource Efficient Inference, ICLR 2017; "
        "Hu et al., Network Trimming, arXiv 1607.03250 (apoz)",
        where="the criterion of mean activation; the average percentage of zeros (apoz)",
        fidelity="adapted",
        note="Closed forms and scale behaviour are tests; measured where channels are read, the mean over layers that "
        "share them; one ratio a layer, where the papers rank globally or by the deviation from a layer's mean.",
    ),
    options=ActivationOptions,
    needs=frozenset({"weights", "forward", "samples"}),
)
