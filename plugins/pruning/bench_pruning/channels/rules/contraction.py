"""Matrix products and attention: the contracted dimension unites, the others pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from bench_pruning.channels.labels import Labels, along, vector
from bench_pruning.channels.products import product
from bench_pruning.channels.rules.elementwise import combined

if TYPE_CHECKING:
    import torch

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

CONTRACTED = "multiplies its channels with a dimension of fixed size"
ATTENTION = "attends over its channels"


def matmul(flow: ChannelFlow, call: Call) -> None:
    """`mm(a, b)`, `bmm(a, b)`: [B, I, K] times [B, K, J]."""
    call.give(flow, _multiplied(flow, call, *call.tensors[:2]))


def addmm(flow: ChannelFlow, call: Call) -> None:
    """`addmm(bias, a, b)`, `baddbmm(bias, a, b)`: the bias meets the product element by element."""
    bias, one, other = call.tensors[:3]
    flow.assign(call.output, _multiplied(flow, call, one, other))
    call.give(flow, combined(flow, call, [call.output, bias], call.output.dim()))


def attention(flow: ChannelFlow, call: Call) -> None:
    """Scaled dot-product attention of [B, H, L, E], [B, H, S, E], [B, H, S, V]: queries meet keys, values pass."""
    query, key, value = call.tensors[:3]
    reason, last = call.reason(flow, ATTENTION), query.dim() - 1
    read = [flow.read(tensor) for tensor in (query, key, value)]
    for labels in read:
        flow.pin({dims: ids for dims, ids in labels.items() if dims != (last,)}, reason)
    flow.unite(along(read[0], last), along(read[1], last), reason)
    _count_attention(flow, query, key, value)
    for position, output in enumerate(call.outputs):
        values = along(read[2], last)
        flow.assign(output, vector(values, output.dim(), last) if position == 0 and values is not None else {})


class AttentionScales(TorchFunctionMode):
    """Notes attention without a given scale: it divides by the square root of the width, whatever is left of it.

    No ATen operation shows the difference, since the scale is a number by then.
    """

    def __init__(self, flow: ChannelFlow) -> None:
        super().__init__()
        self._flow = flow

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Calls the function; of attention, notes that the query's channels are mixed."""
        del types
        given = kwargs or {}
        if func is F.scaled_dot_product_attention and given.get("scale") is None and not self._flow.skipped:
            query = args[0] if args else given["query"]
            where = self._flow.where("Attention", [query.shape])
            for ids in self._flow.labels(query).values():
                self._flow.classes.mix(ids, f"{where} divides by the number of channels")
        return func(*args, **given)


def _multiplied(flow: ChannelFlow, call: Call, one: torch.Tensor, other: torch.Tensor) -> Labels:
    left, right = flow.read(one), flow.read(other)
    rank = one.dim()
    row, inner, column = rank - 2, rank - 1, rank - 1
    reason = call.reason(flow, CONTRACTED)
    for ids, role in (
        (along(right, row), "consumer"),
        (along(right, column), "producer"),
        (along(left, inner), "consumer"),
        (along(left, row), "producer"),
    ):
        flow.note_factor(ids, role)  # type: ignore[arg-type]
    flow.unite(along(left, inner), along(right, row), reason)
    result: Labels = {}
    batch = (0,) if rank > 2 else None  # noqa: PLR2004 - a batch of matrices
    for labels, passing, contracted in ((left, row, inner), (right, column, row)):
        for dims, ids in labels.items():
            if dims == (passing,):
                result[dims] = ids
            elif dims not in ((contracted,), batch):
                flow.classes.pin(ids, reason)
    if batch is not None:
        flow.unite(along(left, 0), along(right, 0), reason)
        if batch in left:
            result[batch] = left[batch]
    if flow.counting:
        _count(flow, one, other, left, right)
    return result


def _count(flow: ChannelFlow, one: torch.Tensor, other: torch.Tensor, left: Labels, right: Labels) -> None:
    rank = one.dim()
    dims = [(left, dim, one.shape[dim]) for dim in range(rank)] + [(right, rank - 1, other.shape[-1])]
    if (rank - 1,) not in left:
        # The contracted width is the same on both sides; either may be the one that has labels.
        dims[rank - 1] = (right, rank - 2, other.shape[-2])
    flow.products.append(product(1, *dims))


def _count_attention(flow: ChannelFlow, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> None:
    if not flow.counting:
        return
    last = query.dim() - 1
    pairs = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    flow.products.append(product(pairs, (flow.labels(query), last, query.shape[last])))
    flow.products.append(product(pairs, (flow.labels(value), last, value.shape[last])))
