"""`bench evaluate`: the metrics of all models, without latency."""

from __future__ import annotations

from harness.cli.single_step import single_step

evaluate = single_step(
    "evaluate",
    """Evaluate the baseline, and each model after every step; what is missing before that is made first.

    Takes the flags of `bench run`; what is in the results folder is kept. Without methods it evaluates the baseline, or
    any --checkpoint: a .pth or .safetensors file, or the artifact of a compressed model.

    \b
    Example: bench evaluate --models unet --methods fpgm --ratios 0.3,0.5 --no-controls

    \b
    Example: bench evaluate --models unet --checkpoint results/adhoc/stages/compress-0a1b2c3d4e5f60718293/model
    """,
    methods_required=False,
)
