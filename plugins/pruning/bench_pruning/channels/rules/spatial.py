"""Pooling and resizing: within one channel's map."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

PATTERN = re.compile(
    r"_?(upsample_\w+|avg_pool|max_pool|adaptive_avg_pool|adaptive_max_pool|lp_pool|fractional_max_pool"
    r"|reflection_pad|replication_pad|grid_sampler_?|cudnn_grid_sampler)_?([123])d\w*"
)
"""Operations over the last one to three dimensions."""

UNPOOLING = re.compile(r"max_unpool([23])d")
"""Puts values back to where pooling found them."""

POSITIONS = "moves positions that carry channels"
NOTED = "puts its channels where those of another tensor were"


def spatial(flow: ChannelFlow, call: Call) -> None:
    """Entries of the leading dimensions pass, those of positions pin."""
    found = PATTERN.fullmatch(call.name)
    assert found is not None
    leading = call.input.dim() - int(found[2])
    labels = flow.read(call.input)
    passing = {key: ids for key, ids in labels.items() if all(dim < leading for dim in key)}
    if len(passing) < len(labels):
        call.pin(flow, POSITIONS, [{key: ids for key, ids in labels.items() if key not in passing}])
    call.pin(flow, POSITIONS, [flow.labels(tensor) for tensor in call.tensors[1:]])
    call.give(flow, passing)


def unpool(flow: ChannelFlow, call: Call) -> None:
    """`max_unpool(values, places)`: each channel has its own places, so both unite channel by channel.

    Places are positions within one channel's map: they stay right whatever other channels there are.
    """
    found = UNPOOLING.fullmatch(call.name)
    assert found is not None
    values, places = call.tensors[:2]
    leading = values.dim() - int(found[1])
    read = [flow.read(values), flow.read(places)]
    passing = [{key: ids for key, ids in labels.items() if all(dim < leading for dim in key)} for labels in read]
    for labels, kept in zip(read, passing, strict=True):
        call.pin(flow, POSITIONS, [{key: ids for key, ids in labels.items() if key not in kept}])
    for key in {**passing[0], **passing[1]}:
        one, other = (labels.get(key) for labels in passing)
        if one is not None and other is not None:
            flow.classes.unite(one, other, call.reason(flow, NOTED))
        else:
            call.pin(flow, NOTED, [{key: ids} for ids in (one, other) if ids is not None])
    call.give(flow, passing[0])
