"""`bench recover`: up to the recovered models."""

from __future__ import annotations

from harness.cli.single_step import single_step

recover = single_step(
    "recover",
    """Fine-tune (or distill) what was compressed; what is not compressed yet is compressed first.

    Takes the flags of `bench run`; what is in the results folder is kept. `recovery` of the benchmark is the budget,
    pipelines name other recoveries than the default.

    \b
    Example: bench recover --models unet --methods fpgm --ratios 0.3,0.5 --no-controls --set recovery.iterations=100
    """,
)
