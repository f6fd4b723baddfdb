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

POSITIONS = "moves positions that carry channels"


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
