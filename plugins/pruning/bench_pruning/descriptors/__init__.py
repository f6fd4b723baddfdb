"""What this distribution offers, without torch; and what a new criterion is described with."""

from bench_pruning.descriptors.arbitrary import RANDOM, UNIFORM
from bench_pruning.descriptors.common import (
    CONTROLS,
    RULES,
    VERIFIED,
    PruningOptions,
    SurgeryOptions,
    pruning_method,
)
from bench_pruning.descriptors.norms import GROUP_L1, GROUP_L2, L1, L2
from bench_pruning.descriptors.surgery import PRUNE

__all__ = [
    "CONTROLS",
    "GROUP_L1",
    "GROUP_L2",
    "L1",
    "L2",
    "PRUNE",
    "RANDOM",
    "RULES",
    "UNIFORM",
    "VERIFIED",
    "PruningOptions",
    "SurgeryOptions",
    "pruning_method",
]
