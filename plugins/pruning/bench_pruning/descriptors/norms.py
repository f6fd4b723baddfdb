"""Norms of filters and groups, without torch."""

from __future__ import annotations

from bench_pruning.descriptors.common import pruning_method
from harness.registry.descriptors import Publication

L1 = pruning_method(
    name="l1",
    summary="Filters with the smallest sum of absolute weights (Li et al., 2017).",
    implementation="bench_pruning.criteria.l1:L1",
    source=Publication(
        paper="Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017",
        where="section 3.1",
        fidelity="adapted",
        note="Toy numbers and scale behaviour are tests; layers that share channels are scored "
        "together, the paper prunes only those that share none.",
    ),
    seed_refusal="",
)
L2 = pruning_method(
    name="l2",
    summary="Filters with the smallest Euclidean norm.",
    implementation="bench_pruning.criteria.l2:L2",
    source=Publication(
        paper="Li et al., Pruning Filters for Efficient ConvNets, ICLR 2017",
        where="section 3.1, with the Euclidean norm",
        fidelity="adapted",
        note="As l1.",
    ),
    seed_refusal="",
)
GROUP_L1 = pruning_method(
    name="group_l1",
    summary="Absolute weights of whole coupled groups, what reads a channel included (Fang et al., 2023).",
    implementation="bench_pruning.criteria.group_norm:GroupL1",
    source=Publication(
        paper="Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023",
        where="equation 4",
        fidelity="adapted",
        note="Closed forms are tests; the sum of absolute values, without sparse learning.",
    ),
)
GROUP_L2 = pruning_method(
    name="group_l2",
    summary="Squared weights of whole coupled groups, what reads a channel included (Fang et al., 2023).",
    implementation="bench_pruning.criteria.group_norm:GroupL2",
    source=Publication(
        paper="Fang et al., DepGraph: Towards Any Structural Pruning, CVPR 2023",
        where="equation 4",
        fidelity="adapted",
        note="Closed forms are tests; the mean over layers of sums of squares as released, without sparse learning.",
    ),
)
