"""Operations that work element by element, with broadcasting."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from bench_pruning.channels.labels import Dims, Labels, aligned

if TYPE_CHECKING:
    import torch

    from bench_pruning.channels.flow import ChannelFlow
    from bench_pruning.channels.rules.call import Call

NAMES = frozenset(
    """
    abs acos acosh add addcdiv addcmul asin asinh atan atan2 atanh bitwise_and bitwise_not bitwise_or bitwise_xor
    bernoulli ceil celu clamp clamp_max clamp_min cos cosh div dropout eq elu erf erfc exp exp2 expm1 float_power
    floor floor_divide fmax fmin fmod frac ge gelu gt hardshrink hardsigmoid hardswish hardtanh hypot isfinite
    isinf isnan le leaky_relu lerp log log10 log1p log2 log_sigmoid_forward logaddexp logical_and logical_not
    logical_or logical_xor logit lt masked_fill maximum minimum mish mul nan_to_num native_dropout ne neg pow
    prelu _prelu_kernel reciprocal relu relu6 remainder round rrelu_with_noise rsqrt rsub selu sgn sigmoid sign
    silu sin sinh softplus softshrink sqrt square sub tan tanh threshold true_divide trunc where xlogy
    """.split()  # noqa: SIM905 - as a list it would take a line a word
)

SAME = frozenset(
    """
    alias clone contiguous detach lift_fresh _to_copy to_copy empty_like full_like ones_like rand_like
    randint_like randn_like zeros_like lift
    """.split()  # noqa: SIM905 - as a list it would take a line a word
)
"""The result has the labels of the first tensor."""

COUPLES = "combines its channels with a tensor of fixed size"


def elementwise(flow: ChannelFlow, call: Call) -> None:
    """Unites what is combined; a dimension of size 1 broadcasts and couples nothing."""
    call.give(flow, combined(flow, call, call.tensors, call.output.dim()))


def combined(flow: ChannelFlow, call: Call, tensors: list[torch.Tensor], rank: int) -> Labels:
    """Returns the labels of tensors that are broadcast to `rank` and combined element by element."""
    operands = [(aligned(flow.read(tensor), tensor.dim(), rank), _aligned_shape(tensor, rank)) for tensor in tensors]
    for (labels, shape), (others, other_shape) in combinations(operands, 2):
        for dims in {**labels, **others}:
            _meet(flow, call, dims, (labels, shape), (others, other_shape))
    result: Labels = {}
    for labels, _ in operands:
        for dims, ids in labels.items():
            result.setdefault(dims, ids)
    return result


def same(flow: ChannelFlow, call: Call) -> None:
    """The result has the labels of what is read."""
    call.give(flow, flow.read(call.input) if call.tensors else {})


def copy(flow: ChannelFlow, call: Call) -> None:
    """`copy_(self, source)`: a tensor of its own becomes what is copied, a part of another one must fit it."""
    target, source = call.tensors[:2]
    if _owns_its_storage(target):
        moved = aligned(flow.read(source), source.dim(), target.dim())
        flow.assign(target, moved)
    else:
        elementwise(flow, call)


def _meet(flow: ChannelFlow, call: Call, dims: Dims, one: tuple[Labels, Shape], other: tuple[Labels, Shape]) -> None:
    (labels, shape), (others, other_shape) = one, other
    if dims in labels and dims in others:
        flow.classes.unite(labels[dims], others[dims], call.reason(flow, COUPLES))
        return
    mine, full = (labels, other_shape) if dims in labels else (others, shape)
    if any(full[dim] > 1 for dim in dims):
        flow.classes.pin(mine[dims], call.reason(flow, COUPLES))


def _aligned_shape(tensor: torch.Tensor, rank: int) -> Shape:
    """Returns how many different values a tensor has along each dimension, in front of it 1."""
    # What is expanded (stride 0) is one value, as if it were broadcast.
    sizes = (1 if step == 0 else size for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return (1,) * (rank - tensor.dim()) + tuple(sizes)


def _owns_its_storage(tensor: torch.Tensor) -> bool:
    return tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()


Shape = tuple[int, ...]
