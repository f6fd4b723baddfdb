"""What group Fisher pruning offers, without torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bench_pruning.descriptors.common import PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class GroupFisherOptions(PruningOptions):
    """Options of group Fisher pruning; as in the paper, channels of all groups are ranked together."""

    allocation: Literal["uniform", "global"] = Field(
        default="global",
        description="uniform: the same ratio in every group; global: one ranking over all groups.",
    )
    normalizer: Literal["none", "mean", "max"] = Field(
        default="none", description="What a group's scores are divided by before they are ranked globally."
    )
    per_saving: Literal["none", "macs", "memory"] = Field(
        default="memory",
        description="What a score is divided by. none: nothing; macs: MACs that go with one channel of its group; "
        "memory: elements of that channel's maps in the layers that make it.",
    )


GROUP_FISHER = pruning_method(
    name="group_fisher",
    summary="Channels with the least Fisher information of a mask shared by a whole group (Liu et al., 2021).",
    implementation="bench_pruning.criteria.group_fisher:GroupFisher",
    source=Publication(
        paper="Liu et al., Group Fisher Pruning for Practical Network Compression, ICML 2021",
        where="Fisher information of coupled channels, for each saving",
        fidelity="simplified",
        note="Closed forms, a mask of one's own and exact savings are tests; all channels are scored at once at fixed "
        "weights, where the paper removes one every ten iterations of training.",
    ),
    options=GroupFisherOptions,
    needs=frozenset({"weights", "forward", "gradients", "samples"}),
)
