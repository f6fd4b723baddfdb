"""Gradients and maps of noise in training mode, on a copy of the model."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch

from bench_pruning.channels.copying import copied, restored_randomness

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from harness.registry.context import Context

COPIES = 2
"""Equal images of a batch.

The first VSS benchmark repeated its image 64 times for `taylor` and ran it alone for `fgp`. Batch statistics of equal
images are those of one, so that a mean over the batch has the same gradients for any number of them. Two is the fewest
that normalise where global pooling leaves one value a channel; there the benchmark's `fgp` failed, and pruned nothing.
Only dropout can tell the numbers apart.
"""


@contextmanager
def in_training_mode(model: nn.Module, context: Context) -> Iterator[tuple[nn.Module, torch.Tensor]]:
    """Gives a copy of the model in training mode, with frozen parameters, and its noise [2, 3, H, W].

    Dropout draws from the cell's seed; random states are put back at the end.
    """
    network = copied(model).train()
    network.requires_grad_(False)
    images = context.example_images().repeat(COPIES, 1, 1, 1)
    devices = [context.device] if context.device.type == "cuda" else []
    with restored_randomness(context.seed, devices), torch.enable_grad():
        yield network, images
