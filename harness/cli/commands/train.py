"""`bench train`: the baselines alone."""

from __future__ import annotations

from harness.cli.single_step import single_step

train = single_step(
    "train",
    """Train the baselines of a benchmark and evaluate them; nothing is compressed.

    Takes the flags of `bench run` and writes into the same results folder, so a run goes on from what is there. Methods
    are not needed. With --checkpoint the model is loaded instead of trained.

    \b
    Example: bench train --models unet --datasets digits --set training.iterations=200
    """,
    methods_required=False,
)
