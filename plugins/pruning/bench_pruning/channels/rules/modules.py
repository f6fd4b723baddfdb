"""Rules of modules: for what dispatch does not see, and for attributes that forward passes read.

An operation of a compiled extension is invisible: its result would seem fixed. The module that runs it answers instead.
Further rules come from the entry-point group `bench_pruning.rules`; each entry point is a mapping from the qualified
name of a class to a `ModuleRule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

import torch

from bench_pruning.channels.rules import heads
from harness.errors import PluginError

if TYPE_CHECKING:
    from torch import nn

    from bench_pruning.channels.flow import ChannelFlow

GROUP = "bench_pruning.rules"


@dataclass(frozen=True)
class Visit:
    """One call of a module.

    Attributes:
        module: The module.
        path: Where it is in the network.
        inputs: All tensors among its positional arguments, nested ones in order.
        outputs: All tensors among its results.
    """

    module: nn.Module
    path: str
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]

    def reason(self, what: str) -> str:
        """Returns why channels must stay."""
        return f"{type(self.module).__name__} `{self.path}` {what}"


class Applied(Protocol):
    """Says what a module does to labels, after it ran."""

    def __call__(self, flow: ChannelFlow, visit: Visit) -> None:
        """Unites and pins labels of the inputs and parameters, and gives the outputs theirs."""


@dataclass(frozen=True)
class ModuleRule:
    """A rule of a class of modules.

    Attributes:
        apply: What the module does to labels.
        opaque: Whether nothing inside the module is followed, so that `apply` answers for everything.
    """

    apply: Applied
    opaque: bool = False


def rule_of(module: nn.Module, rules: Mapping[str, ModuleRule]) -> ModuleRule | None:
    """Returns the rule of a module's class or of the nearest of its bases."""
    names = (f"{kind.__module__}.{kind.__qualname__}" for kind in type(module).__mro__)
    return next((rules[name] for name in names if name in rules), None)


@lru_cache(maxsize=1)
def installed_rules() -> dict[str, ModuleRule]:
    """Returns our rules and those of installed distributions, by qualified class name.

    Raises:
        PluginError: An entry point does not give a mapping of rules.
    """
    rules = dict(OWN)
    for point in entry_points(group=GROUP):
        try:
            found: Any = point.load()
        except Exception as error:
            message = f"the channel rules `{point.name}` cannot be loaded: {error!r}"
            raise PluginError(message, f"Update or remove {point.dist.name if point.dist else point.value}.") from error
        if not isinstance(found, Mapping) or not all(isinstance(rule, ModuleRule) for rule in found.values()):
            message = f"the channel rules `{point.name}` ({point.value}) are no mapping of class names to ModuleRule"
            raise PluginError(message, f"Update or remove {point.dist.name if point.dist else point.value}.")
        rules.update(found)
    return rules


def pooled_regions(flow: ChannelFlow, visit: Visit) -> None:
    """`RoIAlign(features [N, C, H, W], rois [K, 5])` gives [K, C, h, w]."""
    features, *_ = visit.inputs
    for output in visit.outputs:
        flow.carry(output, 1, flow.channels(features, 1))


def extracted_regions(flow: ChannelFlow, visit: Visit) -> None:
    """A RoI extractor pools from all levels into a tensor of `out_channels`; the last input is the rois."""
    *levels, _ = visit.inputs
    size = int(visit.module.out_channels)  # type: ignore[arg-type]
    ids = flow.attribute(f"{visit.path}.out_channels", size)
    for level in levels:
        flow.unite(flow.channels(level, 1), ids, visit.reason("collects levels of fixed size"))
    for output in visit.outputs:
        flow.carry(output, 1, ids)


def deformable_convolution(flow: ChannelFlow, visit: Visit) -> None:
    """A deformable convolution couples channels as a plain one does; what makes its offsets stays."""
    module: Any = visit.module
    reason = visit.reason("samples at offsets of fixed count")
    images, *offsets = visit.inputs
    weight = flow.read(module.weight)
    rows, columns = flow.channels(module.weight, 0), flow.channels(module.weight, 1)
    for tensor in offsets:
        flow.pin(flow.labels(tensor), reason)
    if hasattr(module, "conv_offset"):
        flow.pin({(0,): flow.read(module.conv_offset.weight).get((0,), rows)}, reason)  # type: ignore[dict-item]
    flow.pin({key: ids for key, ids in weight.items() if key not in ((0,), (1,))}, reason)
    incoming = flow.channels(images, 1)
    if module.groups > 1 or module.deform_groups > 1:
        several = visit.reason("has several groups")
        for ids in (incoming, rows, columns):
            flow.unite(ids, None, several)
        rows = None
    else:
        flow.unite(incoming, columns, visit.reason("reads channels of fixed size"))
    if getattr(module, "bias", None) is not None:
        flow.unite(rows, flow.channels(module.bias, 0), reason)
    for output in visit.outputs:
        flow.carry(output, 1, rows)


def fixed_width(flow: ChannelFlow, visit: Visit) -> None:
    """A module whose forward compares or reshapes by one stored width for several layers."""
    flow.classes.pin(flow.seen_in(visit.path), visit.reason("has one stored width for several layers"))


def stored_width(flow: ChannelFlow, visit: Visit) -> None:
    """A module whose forward compares its input's channels with the attribute `channels`."""
    size = int(visit.module.channels)  # type: ignore[arg-type]
    ids = flow.attribute(f"{visit.path}.channels", size)
    flow.unite(flow.channels(visit.inputs[0], 1), ids, visit.reason("stores its width"))


def counted_channels(flow: ChannelFlow, visit: Visit) -> None:
    """A normalisation without parameters and statistics has only its number of channels."""
    module: Any = visit.module
    tensors = (module.weight, module.bias, module.running_mean)
    ids = flow.channels(visit.inputs[0], 1)
    if all(tensor is None for tensor in tensors) and ids is not None:
        size = int(module.num_features)
        flow.unite(ids, flow.attribute(f"{visit.path}.num_features", size), visit.reason("counts its channels"))


OWN: dict[str, ModuleRule] = {
    **dict.fromkeys(
        ("mmcv.ops.roi_align.RoIAlign", "mmcv.ops.roi_pool.RoIPool", "mmcv.ops.roi_align_rotated.RoIAlignRotated"),
        ModuleRule(pooled_regions, opaque=True),
    ),
    "mmdet.models.roi_heads.roi_extractors.single_level_roi_extractor.SingleRoIExtractor": ModuleRule(
        extracted_regions, opaque=True
    ),
    **dict.fromkeys(
        (
            "mmcv.ops.deform_conv.DeformConv2d",
            "mmcv.ops.modulated_deform_conv.ModulatedDeformConv2d",
        ),
        ModuleRule(deformable_convolution),
    ),
    **dict.fromkeys(
        ("mmseg.models.backbones.swin.WindowMSA", "mmdet.models.backbones.swin.WindowMSA"),
        ModuleRule(heads.window_attention),
    ),
    **dict.fromkeys(
        ("mmseg.models.backbones.swin.SwinTransformer", "mmdet.models.backbones.swin.SwinTransformer"),
        ModuleRule(heads.counted_stages),
    ),
    "torch.nn.modules.activation.MultiheadAttention": ModuleRule(heads.multihead_attention, opaque=True),
    "mmcv.cnn.bricks.non_local._NonLocalNd": ModuleRule(fixed_width),
    "mmseg.models.utils.encoding.Encoding": ModuleRule(stored_width),
    **dict.fromkeys(
        ("torch.nn.modules.batchnorm._BatchNorm", "torch.nn.modules.instancenorm._InstanceNorm"),
        ModuleRule(counted_channels),
    ),
}
"""Rules by the qualified name of the class; a subclass has its base's."""
