"""A channel group together with the model's weights: what a criterion scores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup, ParameterSlot, Role


@dataclass(frozen=True)
class BoundGroup:
    """A group and the model it was traced in.

    Attributes:
        group: The coupled channels.
        model: The model whose weights are read.
    """

    group: ChannelGroup
    model: nn.Module

    @property
    def name(self) -> str:
        """The group's name."""
        return self.group.name

    @property
    def size(self) -> int:
        """C, the number of channels."""
        return self.group.size

    def slots(self, role: Role, parameter: str = "weight") -> list[ParameterSlot]:
        """Returns the slots of one role that belong to parameters of one name."""
        return [slot for slot in self.group.slots if (slot.role, slot.parameter) == (role, parameter)]

    def tensor(self, slot: ParameterSlot) -> torch.Tensor:
        """Returns a slot's parameter or buffer, detached."""
        module = self.model.get_submodule(slot.module)
        value: torch.Tensor = getattr(module, slot.parameter)
        return value.detach()

    def rows(self, slot: ParameterSlot) -> torch.Tensor:
        """Returns the part of a slot's parameter that belongs to each channel, [C, D].

        Channels that do not occur in the slot have rows of zeros. The result may share the weights' memory: read only.
        """
        return self.rows_of(slot, self.tensor(slot))

    def rows_of(self, slot: ParameterSlot, tensor: torch.Tensor) -> torch.Tensor:
        """Returns the part of a tensor like a slot's parameter (its gradient) that belongs to each channel, [C, D]."""
        whole = tensor.movedim(slot.dim, 0)
        whole = whole.reshape(len(whole), -1)
        if slot.indices == slot.channels == tuple(range(self.size)) and len(whole) == self.size:
            return whole
        values = whole[list(slot.indices)]
        position = _position_within_channel(slot.channels)
        rows = values.new_zeros(self.size, max(position) + 1, values.shape[1])
        rows[list(slot.channels), position] = values
        return rows.flatten(1)

    def summed(self, slot: ParameterSlot, values: torch.Tensor) -> torch.Tensor:
        """Returns values [..., W] of a layer's W channels as those of the group's [..., C]; tied ones are added."""
        indices, channels = (torch.tensor(numbers, device=values.device) for numbers in (slot.indices, slot.channels))
        result = values.new_zeros(*values.shape[:-1], self.size)
        return result.index_add_(-1, channels, values.index_select(-1, indices))

    def filters(self) -> torch.Tensor:
        """Returns the raw filters that produce the channels, one row a channel, [C, D].

        Biases, normalisation and depthwise convolutions are left out. Where several layers produce the
        same channels (a residual sum), their filters are concatenated along D, so that a norm of a row is
        the norm over all of them.
        """
        rows = [self.rows(slot) for slot in self.slots("producer")]
        return rows[0] if len(rows) == 1 else torch.cat(rows, dim=1)


def _position_within_channel(channels: tuple[int, ...]) -> list[int]:
    """Returns for each entry how many earlier entries have the same channel."""
    seen: dict[int, int] = {}
    positions = []
    for channel in channels:
        positions.append(seen.get(channel, 0))
        seen[channel] = positions[-1] + 1
    return positions
