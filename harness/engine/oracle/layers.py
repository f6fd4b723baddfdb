"""The convolutions whose channels the oracle takes away, and how a channel is taken away."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from harness.errors import UserError


@dataclass(frozen=True)
class FilterLayer:
    """A convolution that inference runs.

    Attributes:
        path: Its path in the model.
        convolution: The layer.
        normalizations: The batch normalisations that take exactly what the convolution makes.
    """

    path: str
    convolution: nn.Conv2d
    normalizations: tuple[nn.Module, ...]

    @property
    def channels(self) -> int:
        """Its output channels."""
        return int(self.convolution.out_channels)


def filter_layers(model: nn.Module, patterns: Sequence[str], run: Callable[[], object]) -> list[FilterLayer]:
    """Returns the chosen convolutions with more than one output channel, in the order of the model's modules.

    Args:
        model: The network.
        patterns: Paths of layers, or glob patterns of them; empty for the first layer.
        run: Runs inference once; what it does not run cannot be chosen.

    Raises:
        UserError: A pattern matches nothing, or there is nothing to choose from.
    """
    layers = _layers_in_use(model, run)
    if not layers:
        message = "oracle: inference of the model runs no Conv2d with more than one output channel"
        raise UserError(message, "Drop the section `oracle`, or give --oracle-samples 0.")
    if not patterns:
        return layers[:1]
    for pattern in patterns:
        if not any(fnmatchcase(layer.path, pattern) for layer in layers):
            message = f"oracle.layers: {pattern!r} matches no Conv2d with several channels that inference runs"
            known = ", ".join(layer.path for layer in layers[:5])
            raise UserError(message, f"Write paths or patterns of layers such as {known}.")
    return [layer for layer in layers if any(fnmatchcase(layer.path, pattern) for pattern in patterns)]


@contextmanager
def without_channel(layer: FilterLayer, channel: int, *, behind_normalization: bool) -> Iterator[None]:
    """Takes away one output channel of a layer inside the block; no weight is touched.

    Args:
        layer: Its output is a tensor [N, C, H, W].
        channel: Which of C.
        behind_normalization: Whether it is zero in the output of the batch normalisations that take it too. Without, it
            is a filter whose weights are zero, which such a normalisation makes a constant.
    """
    made: list[weakref.ref[Tensor]] = []  # a layer may run several times

    def cleared(output: Tensor) -> Tensor:
        left = output.clone()
        left[:, channel] = 0
        return left

    def clear(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        left = cleared(output)
        made.append(weakref.ref(left))
        return left

    def clear_behind(_module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
        # A normalisation may serve several convolutions: what the others make stays as it is.
        return cleared(output) if any(left() is inputs[0] for left in made) else output

    with ExitStack() as hooks:
        hooks.callback(layer.convolution.register_forward_hook(clear).remove)
        for normalization in layer.normalizations if behind_normalization else ():
            hooks.callback(normalization.register_forward_hook(clear_behind).remove)
        yield


def _layers_in_use(model: nn.Module, run: Callable[[], object]) -> list[FilterLayer]:
    """Watches one inference: which convolutions run, and which batch normalisations take what they make."""
    made: list[tuple[nn.Module, weakref.ref[Tensor]]] = []
    behind: defaultdict[nn.Module, dict[nn.Module, None]] = defaultdict(dict)

    def note_made(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        made.append((module, weakref.ref(output)))

    def note_taken(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        source = next((convolution for convolution, output in reversed(made) if output() is inputs[0]), None)
        if source is not None:
            behind[source][module] = None

    paths = {module: path for path, module in model.named_modules()}
    with ExitStack() as hooks:
        for module in paths:
            if isinstance(module, nn.Conv2d):
                hooks.callback(module.register_forward_hook(note_made).remove)
            elif isinstance(module, _BatchNorm):
                hooks.callback(module.register_forward_pre_hook(note_taken).remove)
        run()
    ran = {module for module, _ in made}
    return [
        FilterLayer(path, module, tuple(behind[module]))
        for module, path in paths.items()
        if isinstance(module, nn.Conv2d) and module in ran and module.out_channels > 1
    ]
