"""Parameters and MACs: one counter for every model."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.registry import Task


def count_params(model: nn.Module) -> int:
    """Returns the number of parameters, a shared one counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, task: Task, images: torch.Tensor) -> int:
    """Returns the multiply-accumulates of one inference of `images` [N, 3, H, W].

    Convolutions, linear layers and matrix products count, once per multiply-accumulate; element-wise work does
    not. Torch's own counter gives two operations for each.
    """
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        task.predict(model, images)
    return int(counter.get_total_flops()) // 2
