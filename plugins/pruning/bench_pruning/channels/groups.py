"""Channel groups: which parameter indices must be kept or removed together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from bench_pruning.channels.costs import CostModel

Role = Literal["producer", "depthwise", "norm", "activation", "consumer", "parameter"]


@dataclass(frozen=True, kw_only=True)
class ParameterSlot:
    """One dimension of one parameter that carries channels of a group.

    Attributes:
        module: Path of the module; empty for the network itself.
        parameter: Name of a parameter, a buffer, or (where a layer has neither) of the integer attribute
            that counts its channels.
        dim: The dimension that carries the channels.
        role: What the module does with the channels.
        indices: Indices along `dim`, without repetition.
        channels: For each of `indices`, the channel of the group it belongs to. A group's channel may have
            several indices (a flattened map) or none (a layer that sees one branch of a concatenation).
    """

    module: str
    parameter: str
    dim: int
    role: Role
    indices: tuple[int, ...]
    channels: tuple[int, ...]

    @property
    def tensor(self) -> str:
        """The parameter's name in the model."""
        return f"{self.module}.{self.parameter}" if self.module else self.parameter

    def removed(self, kept: frozenset[int]) -> list[int]:
        """Returns the indices along `dim` of the channels that are not in `kept`."""
        return [i for i, channel in zip(self.indices, self.channels, strict=True) if channel not in kept]

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON data; consecutive pairs are stored as runs `[index, channel, length]`."""
        data: dict[str, Any] = {name: getattr(self, name) for name in ("module", "parameter", "dim", "role")}
        return {**data, "runs": _runs(self.indices, self.channels)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ParameterSlot:
        """Inverse of `to_json`."""
        fields = {name: value for name, value in data.items() if name != "runs"}
        indices = tuple(i for first, _, length in data["runs"] for i in range(first, first + length))
        channels = tuple(c for _, first, length in data["runs"] for c in range(first, first + length))
        return cls(indices=indices, channels=channels, **fields)


@dataclass(frozen=True, kw_only=True)
class ChannelGroup:
    """Channels that several layers share, so that each is removed from all of them or from none.

    Attributes:
        name: Path of the group's first layer in the model's order; unique in a trace.
        size: Number of channels.
        slots: Everything that must shrink with the group.
        pinned_reason: Why no channel of it may be removed; `None` if they may.
        mixing: Where a statistic is taken over its channels, so that removing one changes the others.
    """

    name: str
    size: int
    slots: tuple[ParameterSlot, ...]
    pinned_reason: str | None = None
    mixing: str | None = None

    @property
    def width(self) -> int:
        """How many channels its first layer has for each of the group's, which go together: 1 unless some are tied."""
        made = next((slot for slot in self.slots if slot.role in ("producer", "depthwise")), None)
        return 1 if made is None else max(1, len(made.indices) // self.size)

    @property
    def layers(self) -> tuple[str, ...]:
        """Paths of the convolutions and linear layers whose outputs are the group's channels."""
        outputs = (slot.module for slot in self.slots if slot.role in ("producer", "depthwise"))
        return tuple(dict.fromkeys(outputs))

    def to_json(self) -> dict[str, Any]:
        """Returns plain JSON data."""
        return {
            "name": self.name,
            "size": self.size,
            "slots": [slot.to_json() for slot in self.slots],
            "pinned_reason": self.pinned_reason,
            "mixing": self.mixing,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> ChannelGroup:
        """Inverse of `to_json`."""
        slots = tuple(ParameterSlot.from_json(slot) for slot in data["slots"])
        return cls(**{**data, "slots": slots})


@dataclass(frozen=True, kw_only=True)
class Trace:
    """All channel groups of a model.

    Attributes:
        groups: Every group, pinned ones included, in the model's order.
        unreached: Convolutions and linear layers that no forward pass ran.
        macs: MACs of one prediction on the traced images, as a function of kept channels.
        notes: What trying the trace has shown, and what rules could not be used; empty if it held at once.
    """

    groups: tuple[ChannelGroup, ...]
    unreached: tuple[str, ...] = ()
    macs: CostModel = field(default_factory=lambda: CostModel(()))
    notes: tuple[str, ...] = ()

    @property
    def prunable(self) -> tuple[ChannelGroup, ...]:
        """The groups whose channels may be removed."""
        return tuple(group for group in self.groups if group.pinned_reason is None)

    @property
    def pinned(self) -> list[tuple[str, str]]:
        """(module path, reason) of each layer whose output channels must stay."""
        coupled = [(path, group.pinned_reason) for group in self.groups for path in group.layers]
        reasons = [(path, reason) for path, reason in coupled if reason is not None]
        return [*dict.fromkeys(reasons), *((path, "the forward pass does not run it") for path in self.unreached)]


def _runs(indices: tuple[int, ...], channels: tuple[int, ...]) -> list[list[int]]:
    runs: list[list[int]] = []
    for index, channel in zip(indices, channels, strict=True):
        if runs and (index - runs[-1][0], channel - runs[-1][1]) == (runs[-1][2], runs[-1][2]):
            runs[-1][2] += 1
        else:
            runs.append([index, channel, 1])
    return runs
