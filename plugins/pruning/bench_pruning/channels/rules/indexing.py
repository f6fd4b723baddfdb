"""Indexing by tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bench_pruning.channels.labels import Labels, varying

if TYPE_CHECKING:
    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

CHOSEN = "chooses channels by number"
WRITTEN = "writes its channels into a tensor of fixed size"


def index(flow: ChannelFlow, call: Call) -> None:
    """`x[i, :, j]`: the dimensions that are not indexed pass."""
    indices = call.argument(1, "indices")
    labels = flow.read(call.input)
    taken: list[int] = []
    first: int | None = None
    dim = 0
    for chosen in indices:
        covered = chosen.dim() if _is_mask(chosen) else 1
        if chosen is not None:
            taken += range(dim, dim + covered)
            first = dim if first is None else first
        dim += covered
    parts = {key: labels[key] for key in varying(labels, taken)}
    if parts:
        call.pin(flow, CHOSEN, [parts])
    rest = [d for d in range(call.input.dim()) if d not in taken]
    added = call.output.dim() - len(rest)
    apart = taken != list(range(taken[0], taken[-1] + 1)) if taken else False
    ahead = 0 if apart or first is None else first
    call.give(flow, _moved(labels, parts, rest, ahead, added))


def index_select(flow: ChannelFlow, call: Call) -> None:
    """`index_select(dim, index)`, `gather` along a dimension of positions."""
    dim, labels = call.dim(1, "dim"), flow.read(call.input)
    parts = {key: labels[key] for key in varying(labels, [dim])}
    if parts:
        call.pin(flow, CHOSEN, [parts])
    call.give(flow, {key: ids for key, ids in labels.items() if key not in parts})


def embedding(flow: ChannelFlow, call: Call) -> None:
    """`embedding(weight, indices)`: rows are chosen by number, columns pass."""
    labels = flow.read(call.input)
    if (0,) in labels:
        call.pin(flow, CHOSEN, [{(0,): labels[(0,)]}])
    last = call.output.dim() - 1
    columns = labels.get((1,))
    call.give(flow, {} if columns is None else {(last,): columns.reshape((1,) * last + (-1,))})


def index_put(flow: ChannelFlow, call: Call) -> None:
    """`x[i] = y`: along the dimensions that are not indexed both unite."""
    target, values = call.input, call.argument(2, "values")
    written = [chosen for chosen in call.argument(1, "indices") if chosen is not None]
    labels, read = flow.read(target), flow.read(values)
    simple = len(written) == 1 and call.argument(1, "indices")[0] is not None
    shift = target.dim() - values.dim()
    for key in {**labels, **{tuple(dim + shift for dim in key): None for key in read}}:
        own = labels.get(key)
        other = read.get(tuple(dim - shift for dim in key))
        if simple and 0 not in key and own is not None and other is not None:
            flow.classes.unite(own.ravel(), other.ravel(), call.reason(flow, WRITTEN))
            continue
        if own is not None and any(dim >= shift and values.shape[dim - shift] > 1 for dim in key):
            flow.classes.pin(own, call.reason(flow, WRITTEN))
        if other is not None:
            flow.classes.pin(other, call.reason(flow, WRITTEN))
    call.give(flow, labels)


def _moved(labels: Labels, parts: Labels, rest: list[int], ahead: int, added: int) -> Labels:
    """Returns the entries of the dimensions `rest`, between which `added` new ones lie in place `ahead`."""
    place = {dim: position if position < ahead else position + added for position, dim in enumerate(rest)}
    moved: Labels = {}
    for key, ids in labels.items():
        if key in parts:
            continue
        kept = np.transpose(ids, [*rest, *(d for d in range(ids.ndim) if d not in rest)])
        shape = kept.shape[: len(rest)]
        moved[tuple(place[dim] for dim in key)] = kept.reshape((*shape[:ahead], *[1] * added, *shape[ahead:]))
    return moved


def _is_mask(chosen: torch.Tensor | None) -> bool:
    return chosen is not None and chosen.dtype in (torch.bool, torch.uint8)
