"""Normalisation layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_pruning.channels.labels import aligned, along, varying

if TYPE_CHECKING:
    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

SCALED = "scales its channels by parameters of fixed size"
MIXED = "normalises over channels"
GROUPS = "needs groups that stay equally large"


def batch_norm(flow: ChannelFlow, call: Call) -> None:
    """Every parameter and statistic [C] meets the channels of [N, C, ...]."""
    images, *vectors = call.tensors
    for values in vectors:
        flow.unite(flow.channels(images, 1), along(flow.read(values), 0), call.reason(flow, SCALED))
    labels = flow.read(images)
    for position, output in enumerate(call.outputs):
        flow.assign(output, labels if position == 0 else {})


def layer_norm(flow: ChannelFlow, call: Call) -> None:
    """`native_layer_norm(input, normalized_shape, weight, bias, eps)` over the last dimensions."""
    tokens, *vectors = call.tensors
    labels, rank = flow.read(tokens), tokens.dim()
    normalized = range(rank - len(call.argument(1, "normalized_shape")), rank)
    for key in varying(labels, normalized):
        flow.classes.mix(labels[key], call.reason(flow, MIXED))
    for values in vectors:
        scales = aligned(flow.read(values), values.dim(), rank)
        for key in {key: None for found in (labels, scales) for key in varying(found, normalized)}:
            _meet(flow, call, labels.get(key), scales.get(key))
    for position, output in enumerate(call.outputs):
        flow.assign(output, labels if position == 0 else {})


def group_norm(flow: ChannelFlow, call: Call) -> None:
    """`native_group_norm(input, weight, bias, N, C, HxW, groups, eps)`: groups shrink position by position."""
    images, *vectors = call.tensors
    channels = flow.channels(images, 1)
    for values in vectors:
        flow.unite(channels, along(flow.read(values), 0), call.reason(flow, SCALED))
    if channels is not None:
        flow.classes.tie(channels.reshape(int(call.argument(6, "group")), -1), 0, call.reason(flow, GROUPS))
        flow.classes.mix(channels, call.reason(flow, MIXED))
    labels = flow.read(images)
    for position, output in enumerate(call.outputs):
        flow.assign(output, labels if position == 0 else {})


def _meet(flow: ChannelFlow, call: Call, one: object, other: object) -> None:
    if one is not None and other is not None:
        flow.classes.unite(one, other, call.reason(flow, SCALED))  # type: ignore[arg-type]
        return
    for ids in (one, other):
        if ids is not None:
            flow.classes.pin(ids, call.reason(flow, SCALED))  # type: ignore[arg-type]
