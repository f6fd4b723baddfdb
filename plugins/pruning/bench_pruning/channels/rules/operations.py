"""Which rule each ATen operation has. What is not listed pins all that it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench_pruning.channels.rules import (
    contraction,
    convolution,
    elementwise,
    indexing,
    joining,
    movement,
    normalization,
    rearranging,
    reduction,
    spatial,
)

if TYPE_CHECKING:
    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call, Rule

UNKNOWN = "is not known to keep channels apart"

CREATION = frozenset(
    """
    arange bartlett_window empty empty_strided empty_permuted eye full hann_window linspace logspace normal ones
    rand randint randn randperm range scalar_tensor tril_indices triu_indices zeros new_empty new_empty_strided
    new_full new_ones new_zeros _local_scalar_dense is_same_size equal _assert_async fill zero uniform exponential
    random
    """.split()  # noqa: SIM905 - as a list it would take a line a word
)
"""Results of fixed size; whose shape a new tensor takes is not seen."""

RULES: dict[str, Rule] = {
    **dict.fromkeys(elementwise.NAMES, elementwise.elementwise),
    **dict.fromkeys(elementwise.SAME, elementwise.same),
    "copy": elementwise.copy,
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias", "_reshape_copy"), movement.view),
    "permute": movement.permute,
    **dict.fromkeys(("transpose", "t"), movement.transpose),
    "unsqueeze": movement.unsqueeze,
    "squeeze": movement.squeeze,
    "expand": movement.expand,
    "repeat": movement.repeat,
    "slice": movement.slice_,
    **dict.fromkeys(("select", "unbind"), movement.select),
    **dict.fromkeys(("split", "split_with_sizes", "chunk", "unsafe_split", "unsafe_chunk"), movement.split),
    "glu": movement.glu,
    "flip": movement.flip,
    "roll": movement.roll,
    "constant_pad_nd": movement.pad,
    **dict.fromkeys(("pixel_shuffle", "col2im"), rearranging.gather_phases),
    **dict.fromkeys(("pixel_unshuffle", "im2col"), rearranging.spread_phases),
    **dict.fromkeys(("channel_shuffle", "native_channel_shuffle"), rearranging.channel_shuffle),
    "unfold": rearranging.windows,
    "cat": joining.cat,
    "stack": joining.stack,
    **dict.fromkeys(("mm", "bmm"), contraction.matmul),
    **dict.fromkeys(("addmm", "baddbmm"), contraction.addmm),
    **dict.fromkeys(
        (
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
            "_scaled_dot_product_attention_math",
        ),
        contraction.attention,
    ),
    "convolution": convolution.convolution,
    **dict.fromkeys(reduction.EXACT | reduction.MIXING | {"prod", "logsumexp", "any", "all"}, reduction.reduce),
    **dict.fromkeys(("argmax", "argmin", "nansum"), reduction.reduce),
    **dict.fromkeys(
        (
            "_softmax",
            "_safe_softmax",
            "_log_softmax",
            "cumsum",
            "cumprod",
            "sort",
            "topk",
            "kthvalue",
            "cummax",
            "argsort",
        ),
        reduction.along_dimension,
    ),
    **dict.fromkeys(
        (
            "native_batch_norm",
            "_native_batch_norm_legit",
            "_native_batch_norm_legit_no_training",
            "_native_batch_norm_legit_functional",
            "cudnn_batch_norm",
            "miopen_batch_norm",
            "_batch_norm_with_update",
            "_batch_norm_no_update",
            "batch_norm_elemt",
        ),
        normalization.batch_norm,
    ),
    "native_layer_norm": normalization.layer_norm,
    "native_group_norm": normalization.group_norm,
    **dict.fromkeys(("max_unpool2d", "max_unpool3d"), spatial.unpool),
    "index": indexing.index,
    "index_select": indexing.index_select,
    "embedding": indexing.embedding,
    **dict.fromkeys(("index_put", "_index_put_impl"), indexing.index_put),
}


def rule_of(name: str) -> Rule:
    """Returns the rule of an operation, by its name without overload; in-place ones end in `_`."""
    plain = name.removesuffix("_")
    if plain in RULES:
        return RULES[plain]
    if plain in CREATION:
        return fixed
    return spatial.spatial if spatial.PATTERN.fullmatch(plain) else unknown


def fixed(flow: ChannelFlow, call: Call) -> None:
    """A result without channels."""
    call.give(flow, {})


def unknown(flow: ChannelFlow, call: Call) -> None:
    """Whatever is read stays, so the result is fixed."""
    for tensor in call.tensors:
        flow.read(tensor)
    call.pin(flow, UNKNOWN)
    call.give(flow, {})
