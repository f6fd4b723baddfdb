"""Attention modules whose heads share one width: they shrink by the same positions in every head."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_pruning.channels.products import product

if TYPE_CHECKING:
    import numpy as np
    import torch
    from numpy.typing import NDArray

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.labels import Labels
    from bench_pruning.channels.rules.modules import Visit

ONE_WIDTH = "has one width for its input and all its heads"


def multihead_attention(flow: ChannelFlow, visit: Visit) -> None:
    """`nn.MultiheadAttention`: inputs and heads have one stored width, so position j goes from all of them.

    Nothing inside is followed; its products are counted here. The scores are divided by the square root of what is
    left of a head's width.
    """
    module: Any = visit.module
    reason = visit.reason(ONE_WIDTH)
    tensors = visit.inputs[:3]
    if module.in_proj_weight is None or module.bias_k is not None or module.add_zero_attn:
        for tensor in (*module.parameters(recurse=True), *tensors):
            flow.pin(flow.read(tensor), reason)
        return
    width = int(module.embed_dim)
    ids = _heads(flow, module.in_proj_weight, int(module.num_heads), reason)
    for name in ("embed_dim", "kdim", "vdim"):
        flow.unite(flow.attribute(f"{visit.path}.{name}", width), ids, reason)
    flow.unite(
        flow.attribute(f"{visit.path}.head_dim", width // module.num_heads), ids[: width // module.num_heads], ""
    )
    _vectors(flow, (module.in_proj_bias,), ids, reason)
    _vectors(flow, (module.out_proj.bias,), ids, reason)
    flow.unite(flow.channels(module.out_proj.weight, 0), ids, reason)
    flow.unite(flow.channels(module.out_proj.weight, 1), ids, reason)
    for tensor in tensors:
        labels = flow.read(tensor)
        last = (tensor.dim() - 1,)
        flow.unite(flow.channels(tensor, -1), ids, reason)
        flow.pin({key: found for key, found in labels.items() if key != last}, reason)
    flow.classes.mix(ids, visit.reason("divides by the number of channels of a head"))
    for number, output in enumerate(visit.outputs):
        flow.carry(output, -1, ids if number == 0 else None)
    if flow.counting:
        _count(flow, visit, ids)


def window_attention(flow: ChannelFlow, visit: Visit) -> None:
    """Swin's window attention: its reshapes take the width of a head from the input's."""
    module: Any = visit.module
    reason = visit.reason(ONE_WIDTH)
    ids = _heads(flow, module.qkv.weight, int(module.num_heads), reason)
    flow.unite(flow.channels(module.proj.weight, 1), ids, reason)
    flow.unite(flow.channels(visit.inputs[0], -1), ids, reason)


def counted_stages(flow: ChannelFlow, visit: Visit) -> None:
    """`SwinTransformer` reshapes each stage's result by an entry of `num_features`."""
    module: Any = visit.module
    for stage, output in zip(module.out_indices, visit.outputs, strict=True):
        size = int(module.num_features[stage])
        ids = flow.attribute(f"{visit.path}.num_features[{stage}]", size)
        flow.unite(flow.channels(output, 1), ids, visit.reason("writes down the width of its stages"))


def _heads(flow: ChannelFlow, weight: torch.Tensor, heads: int, reason: str) -> NDArray[np.int64]:
    """Unites rows [3, heads, d] and columns [heads, d] of a joint projection; returns the columns' labels."""
    rows, columns = flow.read(weight)[(0,)].ravel(), flow.read(weight)[(1,)].ravel()
    positions = columns.reshape(heads, -1)
    flow.classes.tie(positions, 0, reason)
    flow.classes.unite(rows.reshape(3, heads, -1), positions, reason)
    return columns


def _vectors(flow: ChannelFlow, vectors: tuple[torch.Tensor | None, ...], ids: NDArray[np.int64], reason: str) -> None:
    for vector in vectors:
        found = None if vector is None else flow.channels(vector, 0)
        if found is not None:
            flow.classes.unite(found.reshape(-1, len(ids)), ids, reason)


def _count(flow: ChannelFlow, visit: Visit, ids: NDArray[np.int64]) -> None:
    """Counts projections of L queries, S keys and values, and the two products of each pair."""
    module: Any = visit.module
    query, key, value = visit.inputs[:3]
    width = len(ids)
    labels: Labels = {(0,): ids}
    across = (labels, 0, width)
    tokens = [tensor.numel() // tensor.shape[-1] for tensor in (query, key, value)]
    flow.products.append(product(sum(tokens) + tokens[0], across, across))
    sequence = 1 if module.batch_first else 0
    batch = query.shape[1 - sequence] if query.dim() > 2 else 1  # noqa: PLR2004 - [B, L, E] or [L, E]
    pairs = (tokens[0] // batch) * (tokens[1] // batch) * batch
    flow.products.append(product(2 * pairs, across))
