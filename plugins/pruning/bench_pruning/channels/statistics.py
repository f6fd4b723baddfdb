"""Statistics over channels, recorded in one model and replayed in another that has fewer of them.

A mean over channels differs between a network whose removed channels are zeroed and one that lacks them, though both
are right. To compare all else, the second takes the first's statistics, call by call.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

ATTENTION = "attention"
"""What calls of attention are recorded under."""

SAME_SUM = 1e-4
"""Largest difference of two sums of the same elements, relative to the sum of their magnitudes."""

Recording = dict[str, list["Noted"]]
"""What each call of an operation found, in order, by the operation's name."""


class Noted:
    """One call's statistics.

    Attributes:
        width: Over how many elements they were taken.
        values: The statistics, or the result of a reduction.
        moments: Sums of the elements, of their magnitudes and of their squares, if they were reduced.
    """

    def __init__(self, width: int, values: tuple[Any, ...], moments: tuple[torch.Tensor, ...] = ()) -> None:
        self.width = width
        self.values = values
        self.moments = moments

    def is_of(self, moments: tuple[torch.Tensor, ...]) -> bool:
        """Returns whether other elements have the same sums, as they must where the missing ones are zero."""
        if not self.moments or any(a.shape != b.shape for a, b in zip(self.moments, moments, strict=True)):
            return True
        sums, sizes, squares = self.moments
        scales = sizes, sizes, squares
        return all(
            bool(((a - b).abs() <= SAME_SUM * scale + SAME_SUM**2 * scale.max()).all())
            for a, b, scale in zip(self.moments, moments, scales, strict=True)
        )


class _Statistics(TorchDispatchMode):
    """Watches operations, and calls of attention, whose scale no operation shows."""

    def __init__(self) -> None:
        super().__init__()
        self._attention = _Attention(self)

    def __enter__(self) -> Any:
        self._attention.__enter__()
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._attention.__exit__(*error)

    def scale(self, width: int) -> float | None:
        """Returns by what attention over `width` channels multiplies; `None` leaves it to the function."""
        raise NotImplementedError


class _Attention(TorchFunctionMode):
    def __init__(self, statistics: _Statistics) -> None:
        super().__init__()
        self._statistics = statistics

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        del types
        given = dict(kwargs or {})
        if func is F.scaled_dot_product_attention and given.get("scale") is None:
            query = args[0] if args else given["query"]
            given["scale"] = self._statistics.scale(int(query.shape[-1]))
        if func is F.multi_head_attention_forward:
            scale = self._statistics.scale(int(args[3]))
            args = args if scale is None else _rescaled(args, scale * math.sqrt(int(args[3])))
        return func(*args, **given)


def _rescaled(args: Sequence[Any], factor: float) -> tuple[Any, ...]:
    """Returns the arguments of `multi_head_attention_forward` with all queries, [E] of [3 E], times a factor."""
    width, weight, bias = int(args[3]), args[5].clone(), args[6]
    weight[:width] *= factor
    if bias is not None:
        bias = bias.clone()
        bias[:width] *= factor
    return (*args[:5], weight, bias, *args[7:])


class Recorded(_Statistics):
    """Notes the statistics that are taken, and changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.recording: Recording = defaultdict(list)

    def scale(self, width: int) -> float | None:
        """See `_Statistics.scale`."""
        self.recording[ATTENTION].append(Noted(width, ()))
        return None

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation and notes its statistics."""
        del types
        result = func(*args, **(kwargs or {}))
        name = _name(func)
        if name in _WIDTHS:
            values = tuple(result) if isinstance(result, (tuple, list)) else (result,)
            # What follows may write into a result.
            values = tuple(value.clone() for value in (values[1:] if name in _NORMS else values))
            self.recording[name].append(Noted(_WIDTHS[name](args), values, _MOMENTS[name](args)))
        return result


class Replayed(_Statistics):
    """Where a statistic is taken over another number of channels than in the recording, uses the recorded one.

    Attributes:
        replayed: How many statistics were taken from the recording.
        other: Names of operations whose statistics were of other elements than in the recording, which is a fault.
    """

    def __init__(self, recording: Recording) -> None:
        super().__init__()
        self._recording: dict[str, Iterator[Noted]] = {name: iter(noted) for name, noted in recording.items()}
        self.replayed = 0
        self.other: list[str] = []

    def scale(self, width: int) -> float | None:
        """See `_Statistics.scale`."""
        noted = self._next(ATTENTION, width)
        return None if noted is None else 1 / math.sqrt(noted.width)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation, with recorded statistics where it has to."""
        del types
        name = _name(func)
        noted = self._next(name, _WIDTHS[name](args)) if name in _WIDTHS else None
        if noted is None:
            return func(*args, **(kwargs or {}))
        if not noted.is_of(_MOMENTS[name](args)):
            self.other.append(name)
        return _REPLAYS[name](func, args, dict(kwargs or {}), noted)

    def _next(self, name: str, width: int) -> Noted | None:
        """Returns what the recording holds of this call, if it was taken over another width."""
        noted = next(self._recording.get(name, iter(())), None)
        if noted is None or noted.width == width:
            return None
        self.replayed += 1
        return noted


def _name(func: Any) -> str:
    return str(func._schema.name).partition("::")[2]


def _dims(args: Sequence[Any]) -> list[int]:
    dims = args[1] if len(args) > 1 and args[1] is not None else range(args[0].dim())
    return [dims] if isinstance(dims, int) else list(dims) or list(range(args[0].dim()))


def _reduced(args: Sequence[Any]) -> int:
    return math.prod(args[0].shape[dim] for dim in _dims(args)) if args[0].dim() else 1


def _layer_norm(func: Any, args: Sequence[Any], kwargs: Any, noted: Noted) -> Any:
    del func, kwargs
    values, _, weight, bias, _ = args
    mean, scale = noted.values
    result = (values - mean) * scale
    result = result if weight is None else result * weight
    return (result if bias is None else result + bias), mean, scale


def _group_norm(func: Any, args: Sequence[Any], kwargs: Any, noted: Noted) -> Any:
    del func, kwargs
    values, weight, bias, batch, channels, _, groups, _ = args
    mean, scale = (found.reshape(batch, groups, 1) for found in noted.values)
    result = ((values.reshape(batch, groups, -1) - mean) * scale).reshape(values.shape)
    shape = (1, channels, *[1] * (values.dim() - 2))
    result = result if weight is None else result * weight.reshape(shape)
    return (result if bias is None else result + bias.reshape(shape)), *noted.values


def _reduction(func: Any, args: Sequence[Any], kwargs: Any, noted: Noted) -> Any:
    result = func(*args, **kwargs)
    recorded = noted.values if isinstance(result, (tuple, list)) else noted.values[0]
    found = result if isinstance(result, (tuple, list)) else (result,)
    # A number of a channel (the second result of `max`) is not a statistic.
    fits = all(
        one.shape == other.shape and one.is_floating_point() for one, other in zip(found, noted.values, strict=True)
    )
    if fits or not isinstance(result, (tuple, list)):
        return recorded if fits else result
    return type(result)((noted.values[0], *result[1:])) if found[0].shape == noted.values[0].shape else result


def _moments(values: torch.Tensor, dims: list[int]) -> tuple[torch.Tensor, ...]:
    return tuple(found.sum(dims) for found in (values, values.abs(), values.square()))


def _group_moments(args: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    return _moments(args[0].reshape(int(args[3]), int(args[6]), -1), [2])


def _layer_moments(args: Sequence[Any]) -> tuple[torch.Tensor, ...]:
    return _moments(args[0], list(range(args[0].dim() - len(args[1]), args[0].dim())))


_NORMS = ("native_layer_norm", "native_group_norm")
_REDUCTIONS = ("mean", "amax", "amin", "max", "min", "var", "var_mean", "std", "std_mean")

_WIDTHS: dict[str, Callable[[Sequence[Any]], int]] = {
    "native_layer_norm": lambda args: math.prod(args[1]),
    "native_group_norm": lambda args: int(args[4]),
    **dict.fromkeys(_REDUCTIONS, _reduced),
}
"""Over how many elements, of a call's arguments, a statistic is taken."""

_MOMENTS: dict[str, Callable[[Sequence[Any]], tuple[torch.Tensor, ...]]] = {
    "native_layer_norm": _layer_moments,
    "native_group_norm": _group_moments,
    **dict.fromkeys(_REDUCTIONS, lambda args: _moments(args[0], _dims(args))),
}

_REPLAYS: dict[str, Callable[[Any, Sequence[Any], dict[str, Any], Noted], Any]] = {
    "native_layer_norm": _layer_norm,
    "native_group_norm": _group_norm,
    **dict.fromkeys(_REDUCTIONS, _reduction),
}
