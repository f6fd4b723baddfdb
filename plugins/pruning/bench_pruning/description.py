"""What tracing and trying a model has shown, as people and `bench check` read it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_pruning.channels import layers
from bench_pruning.channels.costs import CostModel, parameter_costs
from bench_pruning.channels.tracing import OUTPUT
from bench_pruning.limits import fewest_kept
from harness.registry.method import Description, FixedLayer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup, ParameterSlot
    from bench_pruning.descriptors import SurgeryOptions


def described(
    model: nn.Module, groups: Sequence[ChannelGroup], found: Mapping[str, Any], options: SurgeryOptions
) -> Description:
    """Returns what can go from a model and what cannot.

    A channel that several layers share counts in each of them, so that those of layers that must stay can be counted
    beside it. What is removable is what the limits of the options leave.

    Args:
        model: The model that was traced.
        groups: Its prunable groups, protected ones included.
        found: The state's data: pinned layers, protected groups, notes and costs.
        options: The method's options.
    """
    protected = set(found["protected"])
    free = [group for group in groups if group.name not in protected]
    fewest = {group.name: fewest_kept(group.size, options) for group in free}
    costs = {"params": parameter_costs(model, groups), "macs": CostModel.from_json(found["macs"])}
    whole = {group.name: group.size for group in groups}
    total = _outputs(model, groups)
    made = {group.name: sum(len(slot.indices) for slot in _made(group)) for group in free}
    most = sum(made[group.name] * (group.size - fewest[group.name]) // group.size for group in free)
    return Description(
        groups=len(free),
        channels=(total, sum(made.values())),
        removable={
            "channels": most / total if total else 0.0,
            **{name: _removable(model, whole, {**whole, **fewest}) for name, model in costs.items()},
        },
        layers=_paths(free),
        fixed=tuple(
            FixedLayer(module=pin["module"], reason=pin["reason"], by_design=pin["reason"] == OUTPUT)
            for pin in found["pinned"]
        ),
        protected=_paths([group for group in groups if group.name in protected]),
        mixing={group.name: group.mixing for group in free if group.mixing},
        notes=tuple(found["notes"]),
    )


def _paths(groups: Sequence[ChannelGroup]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for group in groups for path in group.layers))


def _made(group: ChannelGroup) -> list[ParameterSlot]:
    """Returns where channels are made; a layer's bias has the channels of its weight."""
    return [slot for slot in group.slots if slot.role in layers.PRODUCING and slot.parameter != "bias"]


def _outputs(model: nn.Module, groups: Sequence[ChannelGroup]) -> int:
    """Returns the output channels of all layers: convolutions, linear layers, and what else makes prunable ones."""
    made = {
        path: int(getattr(layer, "out_channels", 0) or getattr(layer, "out_features", 0))
        for path, layer in model.named_modules()
        if isinstance(layer, layers.CHANNEL_LAYERS)
    }
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for slot in (slot for group in groups for slot in _made(group)):
        if slot.module not in made and slot.tensor in parameters:
            made[slot.module] = parameters[slot.tensor].shape[slot.dim]
    return sum(made.values())


def _removable(costs: CostModel, whole: Mapping[str, int], fewest: Mapping[str, int]) -> float:
    total = costs.count(whole)
    return 1 - costs.count(fewest) / total if total else 0.0
