"""The convolutions whose channels the oracle takes away, and how a channel is taken away."""

from __future__ import annotations

import weakref
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
        normalization: The batch normalisation that takes exactly what the convolution makes, if one does.
    """

    path: str
    convolution: nn.Conv2d
    normalization: nn.Module | None

    @property
    def channels(self) -> int:
        """Its output channels."""
        return int(self.convolution.out_channels)

    def output(self, *, behind_normalization: bool) -> nn.Module:
        """Returns the module in whose output a channel is taken away.

        Args:
            behind_normalization: Behind the batch normalisation, where there is one: then nothing of the channel is
                left. In front of it, as a filter whose weights are zero, the channel becomes a constant.
        """
        if behind_normalization and self.normalization is not None:
            return self.normalization
        return self.convolution


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
def without_channel(module: nn.Module, channel: int) -> Iterator[None]:
    """Makes one output channel of a module zero inside the block; its weights are not touched.

    Args:
        module: Its output is a tensor [N, C, H, W].
        channel: Which of C.
    """

    def clear(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        left = output.clone()
        left[:, channel] = 0
        return left

    handle = module.register_forward_hook(clear)
    try:
        yield
    finally:
        handle.remove()


def _layers_in_use(model: nn.Module, run: Callable[[], object]) -> list[FilterLayer]:
    """Watches one inference: which convolutions run, and which batch normalisation takes what they make."""
    made: list[tuple[nn.Module, weakref.ref[Tensor]]] = []
    behind: dict[nn.Module, nn.Module] = {}

    def note_made(module: nn.Module, _inputs: Any, output: Tensor) -> None:
        made.append((module, weakref.ref(output)))

    def note_taken(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        source = next((convolution for convolution, output in reversed(made) if output() is inputs[0]), None)
        if source is not None:
            behind[source] = module

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
        FilterLayer(path, module, behind.get(module))
        for module, path in paths.items()
        if isinstance(module, nn.Conv2d) and module in ran and module.out_channels > 1
    ]
