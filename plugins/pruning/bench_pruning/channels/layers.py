"""What each kind of layer keeps per channel, and which attributes follow its width."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.modules.instancenorm import _InstanceNorm

if TYPE_CHECKING:
    from bench_pruning.channels.groups import Role

CHANNEL_LAYERS = (_ConvNd, nn.Linear)
"""Layers that make new channels out of all the channels they see."""

MIXING_NORMS = (nn.LayerNorm, nn.GroupNorm)
"""Normalisations over several channels: removing one changes what the others become."""

SEQUENCE_LAYERS = (nn.Embedding, nn.MultiheadAttention, nn.RNNBase)


def is_depthwise(module: nn.Module) -> bool:
    """Returns whether each output channel of a convolution sees exactly the input channel of its index."""
    return isinstance(module, _ConvNd) and 1 < module.groups == module.in_channels == module.out_channels


def role(module: nn.Module, *, outgoing: bool) -> Role:
    """Returns what a module does with channels that it emits (`outgoing`) or receives."""
    if is_depthwise(module):
        return "depthwise"
    if isinstance(module, CHANNEL_LAYERS):
        return "producer" if outgoing else "consumer"
    return "activation" if isinstance(module, nn.PReLU) else "norm"


def channel_parameters(module: nn.Module, *, outgoing: bool) -> list[tuple[str, int]]:
    """Returns (name, dimension) of everything in a layer that has one entry a channel.

    Args:
        module: A layer of a kind that `obstacle` does not refuse.
        outgoing: The channels that a convolution or linear layer emits, else those it receives.
    """
    if isinstance(module, CHANNEL_LAYERS):
        return _layer_parameters(module, outgoing=outgoing)
    if isinstance(module, nn.PReLU):
        return [("weight", 0)] if module.num_parameters > 1 else []
    names = ("weight", "bias", "running_mean", "running_var")
    present = [(name, 0) for name in names if getattr(module, name, None) is not None]
    return present or [("num_features", 0)]


def obstacle(module: nn.Module) -> str | None:
    """Returns why a layer's channels cannot be removed one by one, or `None`."""
    kind = type(module).__name__
    if isinstance(module, _ConvNd) and module.groups > 1 and not is_depthwise(module):
        return f"{kind} with {module.groups} groups needs the same count in every group"
    if isinstance(module, nn.GroupNorm):
        return "GroupNorm needs the same count in every group"
    if isinstance(module, nn.LayerNorm) and len(module.normalized_shape) != 1:
        return "LayerNorm over positions"
    if isinstance(module, SEQUENCE_LAYERS):
        return f"{kind} has a fixed embedding width"
    if isinstance(module, CHANNEL_LAYERS) and "weight" not in module._parameters:
        return f"the weight of {kind} is computed from other parameters"
    return None


def synchronize(module: nn.Module) -> None:
    """Sets a layer's width attributes to what its parameters say."""
    if isinstance(module, _ConvNd):
        _synchronize_convolution(module)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, nn.LayerNorm):
        module.normalized_shape = tuple(module.weight.shape)
    elif isinstance(module, _NormBase):
        tensors = (module.weight, module.running_mean)
        module.num_features = next((len(t) for t in tensors if t is not None), module.num_features)


def keeps_batch_statistics(module: nn.Module) -> bool:
    """Returns whether training mode would change the module's buffers."""
    return isinstance(module, (_NormBase, _InstanceNorm))


def _layer_parameters(module: nn.Module, *, outgoing: bool) -> list[tuple[str, int]]:
    bias = [("bias", 0)] if module.bias is not None else []
    if is_depthwise(module):
        return [("weight", 0), *bias]
    transposed = isinstance(module, _ConvTransposeNd)
    if outgoing:
        return [("weight", 1 if transposed else 0), *bias]
    return [("weight", 0 if transposed else 1)]


def _synchronize_convolution(module: _ConvNd) -> None:
    if is_depthwise(module):
        module.groups = module.in_channels = module.out_channels = module.weight.shape[0]
        return
    outgoing, incoming = module.weight.shape[:2]
    if isinstance(module, _ConvTransposeNd):
        outgoing, incoming = incoming, outgoing
    module.out_channels, module.in_channels = outgoing, incoming
