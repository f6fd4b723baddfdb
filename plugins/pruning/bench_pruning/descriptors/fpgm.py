"""What FPGM offers, without torch."""

from __future__ import annotations

from pydantic import Field

from bench_pruning.descriptors.common import VERIFIED, PruningOptions, pruning_method
from harness.registry.descriptors import Publication


class FPGMOptions(PruningOptions):
    """Options of FPGM; by default only distances count, with `norm_ratio` it is FPGM-mix."""

    norm_ratio: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Fraction of each group's filters, rounded down, that goes first, the smallest norms before all; "
        "distances among the others choose the rest. A ratio below it removes by norm alone. Holds in each pass.",
    )


FPGM = pruning_method(
    name="fpgm",
    summary="Filters nearest to the geometric median, replaceable by the others (He et al., 2019).",
    implementation="bench_pruning.criteria.fpgm:FPGM",
    source=Publication(
        paper="He et al., Filter Pruning via Geometric Median, CVPR 2019",
        where="section 3.3; FPGM-mix by norm_ratio",
        fidelity="adapted",
        note=VERIFIED + "Toy numbers, translation and scale are tests; one shot instead of soft pruning during "
        "training; filters of layers that share channels stand side by side.",
    ),
    options=FPGMOptions,
    seed_refusal="",
)
