"""Convolutions of every kind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from bench_pruning.channels.labels import Labels, along, vector
from bench_pruning.channels.products import product

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

INPUT = "reads channels of fixed size"
KERNEL = "slides its kernel over them"
GROUPS = "has groups that must stay equally large"


def convolution(flow: ChannelFlow, call: Call) -> None:
    """`convolution(input, weight, bias, ..., transposed, output_padding, groups)`."""
    images, weight = call.tensors[:2]
    bias = call.argument(2, "bias")
    transposed, groups = bool(call.argument(6, "transposed")), int(call.argument(8, "groups"))
    read, filters = flow.read(images), flow.read(weight)
    channels = images.dim() - weight.dim() + 1
    flow.pin({key: ids for key, ids in read.items() if key != (channels,)}, call.reason(flow, KERNEL))
    flow.pin({key: ids for key, ids in filters.items() if key not in ((0,), (1,))}, call.reason(flow, KERNEL))
    incoming, rows, columns = along(read, channels), along(filters, 0), along(filters, 1)
    flow.note_kernel(weight, ("consumer", "producer") if transposed else ("producer", "consumer"))
    if groups == 1:
        outgoing, inner = (columns, rows) if transposed else (rows, columns)
        flow.unite(incoming, inner, call.reason(flow, INPUT))
    elif weight.shape[0 if transposed else 1] == 1 or images.shape[channels] == groups:
        outgoing = _depthwise(flow, call, incoming, rows, columns)
        flow.note_kernel(weight, ("depthwise", "depthwise"))
    else:
        outgoing = _grouped(
            flow, call, groups, incoming, (columns, rows) if transposed else (rows, columns), transposed
        )
    if bias is not None:
        flow.unite(outgoing, along(flow.read(bias), 0), call.reason(flow, INPUT))
    flow.assign(call.output, {} if outgoing is None else vector(outgoing, call.output.dim(), channels))
    _count(flow, call, (filters, weight), transposed)


def _depthwise(
    flow: ChannelFlow,
    call: Call,
    incoming: NDArray[np.int64] | None,
    rows: NDArray[np.int64] | None,
    columns: NDArray[np.int64] | None,
) -> NDArray[np.int64] | None:
    """Unites each input channel with the outputs made from it alone; there may be several of them."""
    reason = call.reason(flow, INPUT)
    if columns is not None:
        flow.classes.pin(columns, reason)
    if incoming is None or rows is None or len(rows) % len(incoming):
        flow.unite(incoming, None, reason)
        flow.unite(rows, None, reason)
        return rows
    flow.classes.unite(rows.reshape(len(incoming), -1), incoming[:, None], reason)
    # A transposed convolution has one row for all that it makes of a channel.
    return np.repeat(rows, call.output.shape[call.output.dim() - call.tensors[1].dim() + 1] // len(rows))


def _grouped(
    flow: ChannelFlow,
    call: Call,
    groups: int,
    incoming: NDArray[np.int64] | None,
    weight: tuple[NDArray[np.int64] | None, NDArray[np.int64] | None],
    transposed: bool,
) -> NDArray[np.int64] | None:
    """Unites the groups position by position, so that each keeps as many channels."""
    reason = call.reason(flow, GROUPS)
    outgoing, inner = weight
    if transposed or incoming is None or inner is None or outgoing is None:
        for ids in (incoming, inner, outgoing):
            flow.unite(ids, None, reason)
        return None
    flow.classes.unite(incoming.reshape(groups, -1), inner, reason)
    flow.classes.tie(outgoing.reshape(groups, -1), 0, reason)
    return outgoing


def _count(flow: ChannelFlow, call: Call, kernel: tuple[Labels, torch.Tensor], transposed: bool) -> None:
    if not flow.counting:
        return
    filters, weight = kernel
    spatial = (call.input if transposed else call.output).shape[call.output.dim() - weight.dim() + 2 :]
    batch = call.output.shape[0] if call.output.dim() == weight.dim() else 1
    coefficient = batch * math.prod(spatial) * math.prod(weight.shape[2:])
    flow.products.append(product(coefficient, (filters, 0, weight.shape[0]), (filters, 1, weight.shape[1])))
