"""Operations that trade channels for positions, and unfold neighbourhoods."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.channels.labels import Labels, entry, varying

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

CHANNELS = {"im2col": (3, 2), "col2im": (2, 3)}
"""Where channels lie in input and result, counted from the last dimension; there may be no batch."""

TRADED = "trades channels for positions"


def gather_phases(flow: ChannelFlow, call: Call) -> None:
    """`pixel_shuffle(r)`, `col2im(kernel)`: each r*r (or kernel) channels in a row make one, and go together."""

    def gathered(ids: NDArray[np.int64], channels: int) -> NDArray[np.int64]:
        phases = ids.reshape(channels, -1)
        flow.classes.tie(phases, 1, call.reason(flow, TRADED))
        first: NDArray[np.int64] = phases[:, 0]
        return first

    _channelwise(flow, call, gathered)


def spread_phases(flow: ChannelFlow, call: Call) -> None:
    """`pixel_unshuffle(r)`, `im2col(kernel)`: each channel makes r*r (or kernel) channels in a row."""
    _channelwise(flow, call, lambda ids, channels: np.repeat(ids, channels // len(ids)))


def channel_shuffle(flow: ChannelFlow, call: Call) -> None:
    """`channel_shuffle(groups)`: [groups, C / groups] transposed; the groups shrink alike."""

    def shuffled(ids: NDArray[np.int64], _: int) -> NDArray[np.int64]:
        groups = ids.reshape(int(call.argument(1, "groups")), -1)
        flow.classes.tie(groups, 0, call.reason(flow, TRADED))
        turned: NDArray[np.int64] = groups.T.ravel()
        return turned

    _channelwise(flow, call, shuffled)


def windows(flow: ChannelFlow, call: Call) -> None:
    """`Tensor.unfold(dim, size, step)`: a dimension of positions becomes windows, in a new last dimension."""
    labels, dim = flow.read(call.input), call.dim(1, "dimension")
    parts = {key: labels[key] for key in varying(labels, [dim])}
    if parts:
        call.pin(flow, TRADED, [parts])
    call.give(flow, {key: np.expand_dims(ids, -1) for key, ids in labels.items() if key not in parts})


def _channelwise(flow: ChannelFlow, call: Call, change: Callable[[NDArray[np.int64], int], NDArray[np.int64]]) -> None:
    """Changes the labels of the channels; all others pin."""
    labels, result = flow.read(call.input), call.output
    before, after = CHANNELS.get(call.name, (3, 3))
    channels, target = call.input.dim() - before, result.dim() - after
    carried: Labels = {}
    for key, ids in labels.items():
        if key != (channels,):
            call.pin(flow, TRADED, [{key: ids}])
            continue
        shape = [1] * result.dim()
        shape[target] = -1
        carried = entry(change(ids.ravel(), result.shape[target]).reshape(shape), flow.classes)
    call.give(flow, carried)
