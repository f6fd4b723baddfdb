"""`bench compress`: up to the compressed models."""

from __future__ import annotations

from harness.cli.single_step import single_step

compress = single_step(
    "compress",
    """Compress the models of a benchmark, without recovery: train or load, prepare, compress.

    Takes the flags of `bench run`; what is in the results folder is kept. Shows the reductions that were reached, and
    the folder of each artifact, which harness.load and `bench evaluate --checkpoint` take.

    \b
    Example: bench compress --models unet --methods fpgm --ratios 0.3,0.5 --no-controls
    """,
)
