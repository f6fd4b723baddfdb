"""Concatenation and stacking."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.channels.labels import Labels, entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

JOINED = "joins tensors that do not vary alike"
STACKED = "stacks its channels, which all layers of the stack then share"


def cat(flow: ChannelFlow, call: Call) -> None:
    """`cat(tensors, dim)`: labels along `dim` follow one another, those along other dimensions unite."""
    parts = [tensor for tensor in call.tensors if tensor.shape != (0,)]
    dim = int(call.argument(1, "dim", 0)) % call.output.dim()
    read = [flow.read(part) for part in parts]
    sizes = [part.shape[dim] for part in parts]
    result: Labels = {}
    for key in {key: None for labels in read for key in labels}:
        found = [labels.get(key) for labels in read]
        joined = _joined(flow, call, found, sizes, dim) if dim in key else _united(flow, call, found)
        if joined is not None:
            result.update(entry(joined, flow.classes))
    call.give(flow, result)


def stack(flow: ChannelFlow, call: Call) -> None:
    """`stack(tensors, dim)`: a new dimension; all else unites."""
    dim = int(call.argument(1, "dim", 0)) % call.output.dim()
    read = [flow.read(part) for part in call.tensors]
    result: Labels = {}
    for key in {key: None for labels in read for key in labels}:
        united = _united(flow, call, [labels.get(key) for labels in read])
        if united is not None:
            result[tuple(d + (d >= dim) for d in key)] = np.expand_dims(united, dim)
    call.give(flow, result)


def _united(flow: ChannelFlow, call: Call, found: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    """Returns the labels that all parts share, or `None`: where one part is fixed, the others are pinned."""
    present = [ids for ids in found if ids is not None]
    reason = call.reason(flow, STACKED if call.name == "stack" else JOINED)
    if len(present) < len(found):
        for ids in present:
            flow.classes.pin(ids, reason)
        return None
    for ids in present[1:]:
        flow.classes.unite(present[0], ids, reason)
    return present[0]


def _joined(
    flow: ChannelFlow,
    call: Call,
    found: Sequence[NDArray[np.int64] | None],
    sizes: Sequence[int],
    dim: int,
) -> NDArray[np.int64] | None:
    """Returns the labels one behind the other; a fixed part is one of constants."""
    present = [ids for ids in found if ids is not None]
    rest = [size for d, size in enumerate(present[0].shape) if d != dim]
    if len(present) < len(found) and any(size > 1 for size in rest):
        for ids in present:
            flow.classes.pin(ids, call.reason(flow, JOINED))
        return None
    parts = []
    for labels, size in zip(found, sizes, strict=True):
        shape = list(present[0].shape)
        shape[dim] = size
        parts.append(np.zeros(shape, dtype=np.int64) if labels is None else labels)
    return np.concatenate(parts, axis=dim)
