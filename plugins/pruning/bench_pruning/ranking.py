"""What a method thinks of single layers' channels, from the scores of groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bench_pruning.channels.layers import CHANNEL_LAYERS, PRODUCING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup


def scores_by_layer(
    model: nn.Module, groups: Iterable[ChannelGroup], scores: Mapping[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Returns scores of the output channels of convolutions and linear layers, [C] in 64 bits by path.

    Channels of no group with scores are NaN; layers that have no others are left out.

    Args:
        model: The model before surgery.
        groups: The groups that may shrink.
        scores: One score a channel, by group name.
    """
    found: dict[str, torch.Tensor] = {}
    for group in groups:
        for slot in group.slots if group.name in scores else ():
            layer: Any = model.get_submodule(slot.module)
            if slot.role not in PRODUCING or slot.parameter != "weight" or not isinstance(layer, CHANNEL_LAYERS):
                continue
            if len(layer.weight.movedim(slot.dim, 0)) != _outputs(layer):
                continue  # of a grouped transposed convolution, which has as many for each of its groups
            own = found.setdefault(slot.module, torch.full((_outputs(layer),), torch.nan, dtype=torch.float64))
            own[list(slot.indices)] = scores[group.name].double()[list(slot.channels)]
    return found


def _outputs(layer: Any) -> int:
    return int(getattr(layer, "out_channels", 0) or layer.out_features)
