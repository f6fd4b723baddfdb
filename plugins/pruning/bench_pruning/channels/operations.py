"""Which autograd operations keep channels apart and in place.

The list is of what is known to be safe: everything else pins the channels that pass through it, since a
wrong guess would remove the wrong weights without any error.
"""

from __future__ import annotations

import math
from typing import Any

POINTWISE = frozenset(
    f"{name}Backward0"
    for name in (
        *(
            "Add",
            "Sub",
            "Rsub",
            "Mul",
            "Div",
            "Neg",
            "Abs",
            "Exp",
            "Log",
            "Pow",
            "Sqrt",
            "Rsqrt",
            "Reciprocal",
        ),
        *("Maximum", "Minimum", "Where", "MaskedFill", "Clamp", "ClampMin", "ClampMax", "Lerp", "Addcmul"),
        *("Relu", "LeakyRelu", "Elu", "Silu", "Gelu", "Mish", "Softplus", "Hardswish", "Hardsigmoid"),
        *("Hardtanh", "Sigmoid", "Tanh", "PreluKernel", "NativeDropout", "Clone", "ToCopy", "Alias"),
    )
) | {"PowBackward1", "ClampBackward1"}
"""Element by element."""

SPATIAL = frozenset(
    f"{name}Backward0"
    for name in (
        *("UpsampleNearest2D", "UpsampleNearestExact2D", "UpsampleBilinear2D", "UpsampleBicubic2D"),
        *("AvgPool2D", "AdaptiveAvgPool2D", "MaxPool2DWithIndices", "AdaptiveMaxPool2D"),
        *("ReflectionPad2D", "ReplicationPad2D"),
    )
)
"""Within one channel's map."""

RELAYOUT = frozenset(f"{name}Backward0" for name in ("Permute", "Transpose", "Unsqueeze", "Squeeze", "Expand")) | {
    "SqueezeBackward1",
    "SqueezeBackward2",
}
"""Moves or adds dimensions; the channel dimension stays a dimension of its own."""

RESHAPES = frozenset({"ViewBackward0", "ReshapeAliasBackward0", "UnsafeViewBackward0"})
REDUCTIONS = frozenset({"MeanBackward1", "SumBackward1"})
KEEPS_CHANNELS = POINTWISE | SPATIAL | RELAYOUT


def obstacle(node: Any) -> str | None:
    """Returns why channels cannot be followed through an autograd node, or `None` if they can."""
    name = operation_name(node)
    if name in KEEPS_CHANNELS:
        return None
    if name == "CatBackward0":
        return _concatenation_obstacle(node)
    text = name.removesuffix("0").removesuffix("1").removesuffix("Backward")
    if name in RESHAPES:
        # Only [N, C, 1, 1] <-> [N, C]: a reshape of whole maps interleaves channels and positions.
        return None if math.prod(node._saved_self_sym_sizes[2:]) == 1 else f"{text} reshapes channels"
    if name in REDUCTIONS:
        rank = len(node._saved_self_sym_sizes)
        spatial = all(_signed(dim) % rank >= 2 for dim in node._saved_dim)
        return None if spatial else f"{text} reduces over channels"
    if name == "SliceBackward0":
        return None if _signed(node._saved_dim) >= 2 else f"{text} takes part of the channels"
    if name == "ConstantPadNdBackward0":
        return f"{text} pads channels" if any(node._saved_pad[4:]) else None
    return f"{text} is not known to keep channels apart"


def operation_name(node: Any) -> str:
    """Returns an autograd node's name, or its type's for nodes written in Python."""
    return str(node.name()) if hasattr(node, "name") else type(node).__name__


def is_leaf(node: Any) -> bool:
    """Returns whether a node accumulates the gradient of a leaf tensor."""
    return hasattr(node, "variable")


def _concatenation_obstacle(node: Any) -> str | None:
    dim = _signed(node._saved_dim)
    if dim not in (1, -3):
        return None if dim in (0, 2, 3) else f"concatenation along dimension {dim}"
    constant = any(source is None or is_leaf(source) for source, _ in node.next_functions)
    return "concatenation with a tensor that no layer produces" if constant else None


def _signed(dim: int) -> int:
    """Autograd saves negative dimensions as unsigned 64-bit integers."""
    return dim - 2**64 if dim >= 2**63 else dim
