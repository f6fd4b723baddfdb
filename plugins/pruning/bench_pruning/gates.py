"""Gates: factors of one behind layers, whose gradients say what each channel is worth to the loss.

Source: Molchanov et al., Importance Estimation for Neural Network Pruning (CVPR 2019), section 3.2.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

CHANNELS_LAST = (nn.Linear, nn.LayerNorm, nn.RMSNorm)


class Gates:
    """The gates of one forward pass: one for each sample and channel of each call of a layer."""

    def __init__(self) -> None:
        self._calls: dict[str, list[torch.Tensor]] = defaultdict(list)

    def add(self, path: str, gate: torch.Tensor) -> None:
        """Notes the gate [N, C] of a call."""
        self._calls[path].append(gate)

    def gradients(self, path: str) -> list[torch.Tensor]:
        """Returns dL/dz of each call of a layer, [N, C] each; a call that the loss does not hang on is left out."""
        return [gate.grad for gate in self._calls[path] if gate.grad is not None]


@contextmanager
def gated(model: nn.Module, paths: Collection[str]) -> Iterator[Gates]:
    """Puts a gate behind each of some layers, for the forward passes in the block.

    Args:
        model: The network; nothing stays behind.
        paths: Convolutions, linear layers and normalisations whose result is one tensor.
    """
    gates, handles = Gates(), []

    def hook(path: str) -> Callable[..., torch.Tensor | None]:
        def multiply(module: nn.Module, args: Any, output: Any) -> torch.Tensor | None:
            del args
            if not isinstance(output, torch.Tensor) or not torch.is_grad_enabled():
                return None
            dim = channel_dimension(module, output)
            gate = torch.ones(output.shape[0], output.shape[dim], dtype=output.dtype, device=output.device)
            gates.add(path, gate.requires_grad_())
            shape = [1] * output.dim()
            shape[0], shape[dim] = gate.shape
            return output * gate.view(shape)

        return multiply

    try:
        for path in paths:
            handles.append(model.get_submodule(path).register_forward_hook(hook(path)))
        yield gates
    finally:
        for handle in handles:
            handle.remove()


def channel_dimension(module: nn.Module, output: torch.Tensor) -> int:
    """Returns the dimension of a layer's result that its channels are.

    A layer normalisation of another package may run over dimension 1 of maps, as ConvNeXt's does.
    """
    if isinstance(module, nn.LayerNorm) and type(module).forward is not nn.LayerNorm.forward:
        width = module.normalized_shape[-1]  # a tuple of integers, whatever its annotation
        if output.dim() == 4 and output.shape[1] == width:  # noqa: PLR2004 - [N, C, H, W]
            return 1
    return output.dim() - 1 if isinstance(module, CHANNELS_LAST) else 1
