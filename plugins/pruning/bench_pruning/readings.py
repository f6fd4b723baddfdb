"""What layers read in a forward pass, and who alone reads what they make."""

from __future__ import annotations

import weakref
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.exhaustion import exhausted

if TYPE_CHECKING:
    from torch.utils.hooks import RemovableHandle

KINDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
"""Layers that make the same of a constant input at every pixel; transposed convolutions do not."""

MARGIN = 4
"""A quarter of a map at each side is not its interior."""


@dataclass(eq=False)
class Reading:
    """One call of a layer.

    Attributes:
        low: The smallest value of each input channel in the interior of the maps, [C], 64 bits.
        high: The largest one.
        taps: For each position of the kernel, the fraction of output pixels at which it sees the map rather than
            padding; 1 for all if some pixel sees the map at all of them, [K].
        pixels: Over how many positions of how many maps the layer ran.
        foreign: Whether the layer's own forward differs from that of torch.
        readers: How many operations read the output.
        normalization: Path of a batch normalisation that reads it.
    """

    low: torch.Tensor
    high: torch.Tensor
    taps: torch.Tensor
    pixels: int
    foreign: bool
    readers: int = 0
    normalization: str | None = None

    @property
    def follower(self) -> str | None:
        """Path of the batch normalisation that is the only reader of the output."""
        return self.normalization if self.readers == 1 else None

    @classmethod
    def merged(cls, calls: Sequence[Reading]) -> Reading:
        """Returns the range of values over all calls; the kernel is that of the largest maps."""
        low = torch.stack([call.low for call in calls]).amin(0)
        high = torch.stack([call.high for call in calls]).amax(0)
        largest = max(calls, key=lambda call: call.pixels)
        return cls(low, high, largest.taps, largest.pixels, any(call.foreign for call in calls))


class Readings(TorchDispatchMode):
    """Collects the calls of some layers.

    Attributes:
        of: The calls of each layer, by path.
        normalized: How often each batch normalisation ran, by path.
    """

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, list[Reading]] = defaultdict(list)
        self.normalized: Counter[str] = Counter()
        self._outputs: dict[int, tuple[weakref.ref[torch.Tensor], Reading]] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation and counts what it reads."""
        del types
        for leaf in tree_leaves((args, kwargs)):
            reading = self._maker(leaf)
            if reading is not None:
                reading.readers += 1
        return func(*args, **(kwargs or {}))

    def watch(self, path: str, layer: nn.Module) -> RemovableHandle:
        """Notes all calls of a convolution or linear layer."""

        def note(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: torch.Tensor) -> None:
            values = args[0] if args else kwargs["input"]
            if values.numel():
                reading = _read(module, values, output)
                self.of[path].append(reading)
                self._outputs[id(output)] = weakref.ref(output), reading

        return layer.register_forward_hook(note, with_kwargs=True)

    def watch_normalization(self, path: str, layer: nn.Module) -> RemovableHandle:
        """Notes whose output a batch normalisation reads."""

        def note(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            del module
            values = args[0] if args else kwargs["input"]
            reading = self._maker(values)
            if reading is not None:
                reading.normalization = path
            self.normalized[path] += values.numel() > 0

        return layer.register_forward_pre_hook(note, with_kwargs=True)

    def _maker(self, value: object) -> Reading | None:
        """Returns the call that made a tensor; the number of one that is gone may have been given to another."""
        known, reading = self._outputs.get(id(value), (None, None))
        return reading if known is not None and known() is value else None


@contextmanager
def observed(model: nn.Module, layers: Collection[str]) -> Iterator[Readings]:
    """Collects the calls of the layers at these paths in the forward passes of the block."""
    readings = Readings()
    modules = dict(model.named_modules())
    handles = [readings.watch(path, modules[path]) for path in layers]
    handles += [
        readings.watch_normalization(path, module)
        for path, module in modules.items()
        if isinstance(module, _BatchNorm) and module.running_mean is not None
    ]
    try:
        with torch.no_grad(), readings:
            yield readings
    finally:
        for handle in handles:
            handle.remove()


def _read(layer: Any, values: torch.Tensor, output: torch.Tensor) -> Reading:
    foreign, taps, interior = _is_foreign(layer, values, output), torch.ones(1, dtype=torch.float64), values
    channels = values.dim() - 1
    if not isinstance(layer, nn.Linear):
        channels = values.dim() - layer.weight.dim() + 1
        sizes = values.shape[channels + 1 :]
        inside: Any = (..., *(slice(size // MARGIN, size - size // MARGIN) for size in sizes))
        interior = values[inside]
        taps = _taps(layer, sizes)
    others = [dim for dim in range(values.dim()) if dim != channels]
    low, high = (interior.amin(others), interior.amax(others)) if others else (interior, interior)
    return Reading(low.double(), high.double(), taps, values.numel() // values.shape[channels], foreign)


def _is_foreign(layer: Any, values: torch.Tensor, output: torch.Tensor) -> bool:
    """Whether a layer with a forward of its own computes something else than torch's (standardised weights)."""
    kind: Any = next(kind for kind in KINDS if isinstance(layer, kind))
    if type(layer).forward is kind.forward:
        return False
    try:
        expected = kind.forward(layer, values)
    except (RuntimeError, ValueError, TypeError) as error:
        if exhausted(error):
            raise
        return True
    return expected.shape != output.shape or not torch.allclose(expected, output)


def _taps(layer: Any, sizes: Sequence[int]) -> torch.Tensor:
    axes = zip(sizes, layer.kernel_size, layer.stride, layer.dilation, _padding(layer), strict=True)
    visible = [_visible(*axis) for axis in axes]
    if layer.padding_mode != "zeros":
        visible = [torch.ones_like(one) for one in visible]
    return reduce(lambda one, other: torch.outer(one, other).flatten(), visible)


def _padding(layer: Any) -> list[tuple[int, int]]:
    """Returns the padding before and behind, per axis."""
    if layer.padding == "same":
        total = [dilation * (size - 1) for dilation, size in zip(layer.dilation, layer.kernel_size, strict=True)]
        return [(each // 2, each - each // 2) for each in total]
    if layer.padding == "valid":
        return [(0, 0)] * len(layer.kernel_size)
    return [(each, each) for each in layer.padding]


def _visible(size: int, kernel: int, stride: int, dilation: int, padding: tuple[int, int]) -> torch.Tensor:
    outputs = (size + sum(padding) - dilation * (kernel - 1) - 1) // stride + 1
    position = torch.arange(outputs)[:, None] * stride - padding[0] + torch.arange(kernel) * dilation
    inside = (position >= 0) & (position < size)
    if bool(inside.all(dim=1).any()):
        return torch.ones(kernel, dtype=torch.float64)
    return inside.double().mean(dim=0)
