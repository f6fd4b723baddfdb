"""Operations that move elements without changing them: they act on the labels themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.channels.labels import Labels, entry, join, permuted, reshaped, varying

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

CUT = "cuts its channels into parts of unequal classes"
PART = "takes part of its channels"
ORDER = "moves its channels by a fixed number of places"


def view(flow: ChannelFlow, call: Call) -> None:
    """`view`, `reshape`, `flatten`, `unflatten`."""
    labels = flow.read(call.input)
    shapes = call.input.shape, call.output.shape
    call.give(flow, reshaped(labels, *shapes, flow.classes, call.reason(flow, CUT)) if labels else {})


def permute(flow: ChannelFlow, call: Call) -> None:
    """`permute(dims)`."""
    order = [int(dim) % call.input.dim() for dim in call.argument(1, "dims")]
    call.give(flow, permuted(flow.read(call.input), order))


def transpose(flow: ChannelFlow, call: Call) -> None:
    """`transpose(dim0, dim1)` and `t()`."""
    order = list(range(call.input.dim()))
    if call.name.strip("_") == "t":
        order.reverse()
    else:
        one, other = call.dim(1, "dim0"), call.dim(2, "dim1")
        order[one], order[other] = order[other], order[one]
    call.give(flow, permuted(flow.read(call.input), order))


def unsqueeze(flow: ChannelFlow, call: Call) -> None:
    """A new dimension of size 1."""
    dim = int(call.argument(1, "dim")) % call.output.dim()
    call.give(
        flow,
        {tuple(d + (d >= dim) for d in key): np.expand_dims(ids, dim) for key, ids in flow.read(call.input).items()},
    )


def expand(flow: ChannelFlow, call: Call) -> None:
    """Dimensions of size 1 and new ones in front repeat what they hold."""
    ahead = call.output.dim() - call.input.dim()
    call.give(
        flow,
        {
            tuple(dim + ahead for dim in key): ids.reshape((1,) * ahead + ids.shape)
            for key, ids in flow.read(call.input).items()
        },
    )


def repeat(flow: ChannelFlow, call: Call) -> None:
    """`repeat(sizes)`: what was removed is missing from each copy."""
    sizes = tuple(call.argument(1, "repeats"))
    ahead = call.output.dim() - call.input.dim()
    moved: Labels = {}
    for key, ids in flow.read(call.input).items():
        dims = tuple(dim + ahead for dim in key)
        tiles = [size if dim in dims else 1 for dim, size in enumerate(sizes)]
        moved[dims] = np.tile(ids.reshape((1,) * ahead + ids.shape), tiles)
    call.give(flow, moved)


def slice_(flow: ChannelFlow, call: Call) -> None:
    """`x[a:b:c]` along one dimension: all of it, or a part that pins."""
    dim = call.dim(1, "dim")
    labels = flow.read(call.input)
    if call.output.shape == call.input.shape and call.argument(4, "step", 1) == 1:
        call.give(flow, labels)
        return
    size = call.input.shape[dim]
    chosen = np.arange(size)[slice(call.argument(2, "start"), call.argument(3, "end"), call.argument(4, "step", 1))]
    call.give(flow, _taken(flow, call, labels, dim, chosen))


def select(flow: ChannelFlow, call: Call) -> None:
    """One index of a dimension, which disappears; `unbind` gives all of them."""
    dim = call.dim(1, "dim")
    labels = flow.read(call.input)
    indices = range(call.input.shape[dim]) if call.name.startswith("unbind") else [int(call.argument(2, "index"))]
    for index, output in zip(indices, call.outputs, strict=True):
        taken = _taken(flow, call, labels, dim, np.array([index]))
        squeezed = [np.squeeze(ids, dim) for ids in taken.values()]
        flow.assign(output, _entries(flow, squeezed))


def squeeze(flow: ChannelFlow, call: Call) -> None:
    """Dimensions of size 1 disappear; they carry no labels."""
    asked = call.argument(1, "dim")
    rank = call.input.dim()
    dims = list(range(rank)) if asked is None else [asked] if isinstance(asked, int) else list(asked)
    gone = sorted({dim % rank for dim in dims if call.input.shape[dim] == 1})
    call.give(
        flow,
        {
            tuple(dim - sum(d < dim for d in gone) for dim in key): np.squeeze(ids, tuple(gone))
            for key, ids in flow.read(call.input).items()
        },
    )


def split(flow: ChannelFlow, call: Call) -> None:
    """`split`, `chunk`: parts of equal size shrink alike, position by position; unequal ones pin."""
    dim = call.dim(2, "dim")
    labels = flow.read(call.input)
    sizes = [output.shape[dim] for output in call.outputs]
    starts = np.cumsum([0, *sizes])
    for key in varying(labels, [dim]):
        ids = np.moveaxis(labels[key], dim, 0)
        if len(set(sizes)) == 1:
            parts = ids.reshape(len(sizes), sizes[0], *ids.shape[1:])
            flow.classes.tie(parts, 0, call.reason(flow, CUT))
        else:
            flow.classes.pin(ids, call.reason(flow, CUT))
    for output, start, size in zip(call.outputs, starts, sizes, strict=False):
        part = {key: _at(ids, dim, np.arange(start, start + size)) for key, ids in labels.items()}
        flow.assign(output, _entries(flow, part.values()))


def glu(flow: ChannelFlow, call: Call) -> None:
    """`glu(dim)`: the first half times a gate of the second; both shrink alike."""
    labels, dim = flow.read(call.input), call.dim(1, "dim", -1)
    half = call.output.shape[dim]
    for key in varying(labels, [dim]):
        parts = np.moveaxis(labels[key], dim, 0)
        flow.classes.tie(parts.reshape(2, half, *parts.shape[1:]), 0, call.reason(flow, CUT))
    call.give(flow, _entries(flow, [_at(ids, dim, np.arange(half)) for ids in labels.values()]))


def flip(flow: ChannelFlow, call: Call) -> None:
    """The order of a dimension is turned round, with or without the removed ones."""
    dims = [int(dim) % call.input.dim() for dim in call.argument(1, "dims")]
    call.give(flow, {key: np.flip(ids, tuple(dims)) for key, ids in flow.read(call.input).items()})


def roll(flow: ChannelFlow, call: Call) -> None:
    """Positions may turn, channels may not: the order would depend on how many there are."""
    labels = flow.read(call.input)
    dims = [int(dim) % call.input.dim() for dim in call.argument(2, "dims", [])]
    moved = varying(labels, dims or range(call.input.dim()))
    call.pin(flow, ORDER, [{key: labels[key] for key in moved}])
    call.give(flow, labels)


def pad(flow: ChannelFlow, call: Call) -> None:
    """`constant_pad_nd`: what is added to the channels belongs to none; a removed channel loses its border too."""
    labels, pads = flow.read(call.input), list(call.argument(1, "pad"))
    rank = call.input.dim()
    padded: Labels = {}
    for key, ids in labels.items():
        before = {rank - 1 - i // 2: (pads[i], pads[i + 1]) for i in range(0, len(pads), 2)}
        widths = [before.get(dim, (0, 0)) if dim in key else (0, 0) for dim in range(rank)]
        if any(width < 0 for pair in widths for width in pair):
            call.pin(flow, PART, [{key: ids}])
        else:
            padded[key] = np.pad(ids, widths)
    call.give(flow, padded)


def _taken(flow: ChannelFlow, call: Call, labels: Labels, dim: int, indices: NDArray[np.int64]) -> Labels:
    """Returns the labels at some indices of a dimension; entries that vary along it are pinned."""
    parts = {key: labels[key] for key in varying(labels, [dim])}
    if parts:
        call.pin(flow, PART, [parts])
    return {key: _at(ids, dim, indices) if key in parts else ids for key, ids in labels.items()}


def _at(ids: NDArray[np.int64], dim: int, indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return ids if ids.shape[dim] == 1 else np.take(ids, indices, axis=dim)


def _entries(flow: ChannelFlow, arrays: Iterable[NDArray[np.int64]]) -> Labels:
    found: Labels = {}
    for ids in arrays:
        for key, labels in entry(ids, flow.classes).items():
            join(found, key, labels, flow.classes, CUT)
    return found
