"""What CHIP offers, without torch."""

from __future__ import annotations

from bench_pruning.descriptors.common import pruning_method
from harness.registry.descriptors import Publication

CHIP = pruning_method(
    name="chip",
    summary="Channels whose feature maps depend most on the others' (Sui et al., 2021).",
    implementation="bench_pruning.criteria.chip:CHIP",
    source=Publication(
        paper="Sui et al., CHIP: CHannel Independence-based Pruning for Compact Neural Networks, NeurIPS 2021",
        where="channel independence, of one map at a time",
        fidelity="adapted",
        note="Toy numbers and agreement with the singular values of all rows but one are tests; measured where "
        "channels are read, the mean over layers that share them; one ratio for all layers, not one for each.",
    ),
    needs=frozenset({"weights", "forward", "samples"}),
)
