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

MIXING_NORMS = (nn.LayerNorm, nn.RMSNorm, nn.GroupNorm)
"""Normalisations over several channels: removing one changes what the others become."""

PRODUCING = ("producer", "depthwise")
"""Roles of what makes channels."""


def is_depthwise(module: nn.Module) -> bool:
    """Returns whether each output channel of a convolution sees one input channel; several may see the same."""
    return isinstance(module, _ConvNd) and 1 < module.groups == module.in_channels


def role(module: nn.Module, parameter: str, dim: int) -> Role:
    """Returns what a dimension of a module's parameter, buffer or attribute does with channels."""
    if isinstance(module, (_NormBase, *MIXING_NORMS)):
        return "norm"
    if isinstance(module, nn.PReLU):
        return "activation"
    if not isinstance(module, CHANNEL_LAYERS) or parameter not in ("weight", "bias") or dim > 1:
        return "parameter"
    if is_depthwise(module):
        return "depthwise" if dim == 0 else "parameter"
    transposed = isinstance(module, _ConvTransposeNd)
    outgoing = 0 if parameter == "bias" or not transposed else 1
    return "producer" if dim == outgoing else "consumer"


def synchronize(module: nn.Module) -> None:
    """Sets a layer's width attributes to what its parameters say."""
    if isinstance(module, _ConvNd):
        _synchronize_convolution(module)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = module.weight.shape
    elif isinstance(module, nn.PReLU):
        module.num_parameters = module.weight.numel()
    elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)) and module.weight is not None:
        module.normalized_shape = tuple(module.weight.shape)
    elif isinstance(module, nn.GroupNorm):
        module.num_channels = module.weight.numel() if module.weight is not None else module.num_channels
    elif isinstance(module, nn.Embedding):
        module.num_embeddings, module.embedding_dim = module.weight.shape
    elif isinstance(module, _NormBase):
        tensors = (module.weight, module.running_mean)
        module.num_features = next((len(t) for t in tensors if t is not None), module.num_features)


def keeps_batch_statistics(module: nn.Module) -> bool:
    """Returns whether training mode would change the module's buffers."""
    return isinstance(module, (_NormBase, _InstanceNorm))


def _synchronize_convolution(module: _ConvNd) -> None:
    depthwise, multiplier = is_depthwise(module), module.out_channels // module.groups
    first, second = module.weight.shape[:2]
    if isinstance(module, _ConvTransposeNd):
        module.groups = first if depthwise else module.groups
        module.in_channels, module.out_channels = first, second * module.groups
    else:
        module.groups = first // multiplier if depthwise else module.groups
        module.in_channels, module.out_channels = second * module.groups, first
