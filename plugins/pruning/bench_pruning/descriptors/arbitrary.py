"""Choices that look at nothing, without torch: what the others have to beat."""

from __future__ import annotations

from typing import ClassVar

from bench_pruning.descriptors.common import PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class UniformOptions(PruningOptions):
    """Options of uniform widths, which protocol `seed` leaves as they are."""

    seed_options: ClassVar[frozenset[str]] = frozenset(PruningOptions.model_fields)


RANDOM = pruning_method(
    name="random",
    summary="Channels drawn at random: the baseline that a criterion has to beat.",
    implementation="bench_pruning.criteria.random:Random",
    needs=frozenset(),
    seed_refusal="",
    controls=(),
)
UNIFORM = pruning_method(
    name="uniform",
    summary="The same width everywhere, trained from scratch: what the smaller network is worth (Liu et al., 2019).",
    implementation="bench_pruning.criteria.uniform:Uniform",
    source=Publication(
        paper="Liu et al., Rethinking the Value of Network Pruning, ICLR 2019",
        where="section 5, uniform pruning, trained from scratch as Scratch-E",
        fidelity="adapted",
        note="Kept channels are tests; trained for the benchmark's recovery budget, where Scratch-E has as many epochs "
        "as the large model.",
    ),
    options=UniformOptions,
    default_recovery="scratch",
    seed_recovery=None,
    seed_refusal="",
    seed_targets=("channels", "params", "macs"),
    needs=frozenset(),
    controls=(),
)
