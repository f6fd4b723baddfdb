"""Sums, means, maxima and orders over dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.channels.labels import Labels, varying

if TYPE_CHECKING:
    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

EXACT = frozenset({"sum", "linalg_vector_norm", "norm"})
"""What a removed channel adds is zero."""

MIXING = frozenset({"mean", "amax", "amin", "max", "min", "var", "var_mean", "std", "std_mean"})
"""Defined for fewer channels too, with another value."""

INDEXED = frozenset({"max", "min"})
"""With a dimension they also give the number of what they found, which means something only while all are there."""

NUMBERED = "numbers its channels"
AVERAGES = "takes a statistic over channels"
DEPENDS = "makes each channel depend on which others there are"
WHOLE = "reduces over more than its channels"

_DIM_POSITION = {"linalg_vector_norm": 2, "norm": 2}


def reduce(flow: ChannelFlow, call: Call) -> None:
    """A reduction over given dimensions, or over all."""
    rank = call.input.dim()
    dims = _dims(call, rank)
    labels = flow.read(call.input)
    reduced = {key: labels[key] for key in varying(labels, dims)}
    for key, ids in reduced.items():
        if not set(key) <= set(dims):
            call.pin(flow, WHOLE, [{key: ids}])
        elif call.name in MIXING:
            flow.classes.mix(ids, call.reason(flow, AVERAGES))
        elif call.name not in EXACT:
            call.pin(flow, DEPENDS, [{key: ids}])
    rest = {key: ids for key, ids in labels.items() if key not in reduced}
    call.give(flow, rest if call.output.dim() == rank else _without(rest, dims))
    if call.name in INDEXED and len(call.outputs) > 1 and reduced:
        flow.forbid(call.outputs[1], list(reduced.values()), call.reason(flow, NUMBERED))


def along_dimension(flow: ChannelFlow, call: Call) -> None:
    """`softmax`, `cumsum`, `sort`, `topk` along one dimension: channels there depend on one another."""
    position = {"topk": 2, "kthvalue": 2}.get(call.name, 1)
    dim = call.dim(position, "dim", -1)
    labels = flow.read(call.input)
    parts = {key: labels[key] for key in varying(labels, [dim])}
    if parts:
        call.pin(flow, DEPENDS, [parts])
    rest = {key: ids for key, ids in labels.items() if key not in parts}
    for output in call.outputs:
        flow.assign(output, rest if output.dim() == call.input.dim() else _without(rest, [dim]))


def _dims(call: Call, rank: int) -> list[int]:
    position = _DIM_POSITION.get(call.name, 1)
    given = call.argument(position, "dim")
    if given is None or isinstance(given, bool) or (isinstance(given, (list, tuple)) and not given):
        return list(range(rank))
    return [int(dim) % max(rank, 1) for dim in (given if isinstance(given, (list, tuple)) else [given])]


def _without(labels: Labels, dims: list[int]) -> Labels:
    gone = sorted(set(dims))
    return {
        tuple(dim - sum(d < dim for d in gone) for dim in key): np.squeeze(ids, tuple(gone))
        for key, ids in labels.items()
    }
