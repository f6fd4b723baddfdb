"""`bench measure`: the latency of the compressed models against their baselines."""

from __future__ import annotations

from harness.cli.single_step import single_step

measure = single_step(
    "measure",
    """Measure the latency of each compressed model against its baseline, without evaluating them.

    Takes the flags of `bench run`; what is in the results folder is kept, what is missing is made first. Baseline and
    candidate are timed in turns in one process; give your own baseline with --checkpoint.

    \b
    Example: bench measure --models unet --methods fpgm --ratios 0.3,0.5 --no-controls --device cpu
    """,
)
