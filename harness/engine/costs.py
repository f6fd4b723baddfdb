"""Parameters, convolutions and MACs: one counter for every model."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from harness.registry import Task


def count_params(model: nn.Module) -> int:
    """Returns the number of parameters, a shared one counted once."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_convolutions(model: nn.Module) -> dict[str, int]:
    """Returns the number of `layers` that are Conv2d, and of the output `channels` that they have together."""
    widths = [int(module.out_channels) for module in model.modules() if isinstance(module, nn.Conv2d)]
    return {"layers": len(widths), "channels": sum(widths)}


def count_macs(model: nn.Module, task: Task, images: torch.Tensor) -> int:
    """Returns the multiply-accumulates of one inference of `images` [N, 3, H, W].

    Convolutions, linear layers and matrix products count, once per multiply-accumulate; element-wise work does
    not. Torch's own counter gives two operations for each; what it does not know is added.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_FURTHER_OPERATIONS)
    fused = torch.backends.mha.get_fastpath_enabled()
    # Fused attention is one operation, which the counter takes for none.
    torch.backends.mha.set_fastpath_enabled(False)
    # The counter hooks gradients of what modules read, which fails for views made without them.
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        with torch.no_grad(), counter:
            task.predict(model, images)
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
        torch.backends.mha.set_fastpath_enabled(fused)
    return int(counter.get_total_flops()) // 2


def _attention_operations(query: Any, key: Any, value: Any, *args: Any, **kwargs: Any) -> int:
    """Returns the operations of scaled dot-product attention of shapes [B, H, L, E], [B, H, S, E], [B, H, S, V]."""
    del args, kwargs
    (batch, heads, length, width), sources, values = query, key[-2], value[-1]
    return int(2 * batch * heads * length * sources * (width + values))


def _product_operations(result: Any, one: Any, other: Any, *args: Any, **kwargs: Any) -> int:
    """Returns the operations of adding the product of shapes [B, I, K] and [B, K, J], B optional, to a result."""
    del result, args, kwargs
    return int(2 * math.prod(one) * other[-1])


_FURTHER_OPERATIONS = {
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention_operations,
    torch.ops.aten.addmm_: _product_operations,
    torch.ops.aten.baddbmm_: _product_operations,
}
"""Attention on the CPU, and products that are added in place, as compiled deformable convolutions do."""
