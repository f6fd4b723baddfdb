"""Rules of modules: for what dispatch does not see, and for attributes that forward passes read.

An operation of a compiled extension is invisible: its result would seem fixed. The module that runs it answers instead.
Further rules come from the entry-point group `bench_pruning.rules`; each entry point is a mapping from the qualified
name of a class to a `ModuleRule`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

import torch

from bench_pruning.channels.rules import heads
from bench_pruning.descriptors import RULES
from harness.exhaustion import exhausted

if TYPE_CHECKING:
    from torch import nn

    from bench_pruning.channels.flow import ChannelFlow


@dataclass(frozen=True)
class Visit:
    """One call of a module.

    Attributes:
        module: The module.
        path: Where it is in the network.
        inputs: All tensors among its arguments, positional ones first, nested ones in order.
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


@dataclass(frozen=True)
class InstalledRules:
    """The rules of modules.

    Attributes:
        by_class: Rules by the qualified name of the class.
        notes: What could not be used of other distributions, and why.
    """

    by_class: Mapping[str, ModuleRule]
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=1)
def installed_rules() -> InstalledRules:
    """Returns our rules and those of installed distributions.

    Rules that are broken are left out with a note, for most models need none of them.
    """
    rules, notes = dict(OWN), []
    for point in entry_points(group=RULES):
        whose = f"channel rules `{point.name}` ({point.dist.name if point.dist else point.value}) are not used: "
        try:
            found: Any = point.load()
        except (Exception, SystemExit) as error:
            if exhausted(error):
                raise
            notes.append(f"{whose}{error!r}")
            continue
        if isinstance(found, Mapping) and all(isinstance(rule, ModuleRule) for rule in found.values()):
            rules.update(found)
        else:
            notes.append(f"{whose}they are no mapping of class names to ModuleRule")
    return InstalledRules(rules, tuple(notes))


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


def unfollowed(flow: ChannelFlow, visit: Visit) -> None:
    """A module that is protected and cannot be followed: what it reads stays, and what it makes is fixed."""
    for tensor in visit.inputs:
        flow.pin(flow.read(tensor), visit.reason("is protected, and cannot be followed"))


UNFOLLOWED = ModuleRule(unfollowed, opaque=True)


def fixed_width(flow: ChannelFlow, visit: Visit) -> None:
    """A module whose forward compares or reshapes by one stored width for several layers."""
    flow.classes.pin(flow.seen_in(visit.path), visit.reason("has one stored width for several layers"))


def stored_width(attribute: str, where: Callable[[Visit], tuple[torch.Tensor, int]]) -> ModuleRule:
    """Returns the rule of a module whose forward reshapes or compares by one stored number of channels.

    Args:
        attribute: The number.
        where: Returns the tensor and the dimension that it is the size of.
    """

    def apply(flow: ChannelFlow, visit: Visit) -> None:
        ids = flow.attribute(f"{visit.path}.{attribute}", int(getattr(visit.module, attribute)))
        flow.unite(flow.channels(*where(visit)), ids, visit.reason("stores its width"))

    return ModuleRule(apply)


def returned_width(flow: ChannelFlow, visit: Visit) -> None:
    """A module around which the network reshapes by the width of its input."""
    reason = visit.reason("must return as many channels as it reads")
    flow.unite(flow.channels(visit.inputs[0], 1), flow.channels(visit.outputs[0], 1), reason)


def _read(visit: Visit) -> tuple[torch.Tensor, int]:
    return visit.inputs[0], 1


def _pooled(visit: Visit) -> tuple[torch.Tensor, int]:
    module: Any = visit.module
    return module.pooled_redu_conv.conv.weight, 0


def _embedded(visit: Visit) -> tuple[torch.Tensor, int]:
    module: Any = visit.module
    return module.pos_embed, 2


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
        (
            "mmseg.models.backbones.swin.WindowMSA",
            "mmdet.models.backbones.swin.WindowMSA",
            "mmseg.models.backbones.twins.LocallyGroupedSelfAttention",
        ),
        ModuleRule(heads.window_attention),
    ),
    **dict.fromkeys(
        ("mmseg.models.backbones.swin.SwinTransformer", "mmdet.models.backbones.swin.SwinTransformer"),
        ModuleRule(heads.counted_stages),
    ),
    "torch.nn.modules.activation.MultiheadAttention": ModuleRule(heads.multihead_attention, opaque=True),
    **dict.fromkeys(
        (
            "mmcv.cnn.bricks.non_local._NonLocalNd",
            "mmseg.models.decode_heads.knet_head.KernelUpdateHead",
            "mmdet.models.dense_heads.tood_head.TaskDecomposition",
            "mmdet.models.layers.transformer.utils.ConditionalAttention",
        ),
        ModuleRule(fixed_width),
    ),
    "mmseg.models.decode_heads.isa_head.SelfAttentionBlock": ModuleRule(returned_width),
    "mmseg.models.decode_heads.apc_head.ACM": stored_width("channels", _pooled),
    "mmseg.models.utils.encoding.Encoding": stored_width("channels", _read),
    "mmdet.models.layers.se_layer.DyReLU": stored_width("channels", _read),
    "mmdet.models.backbones.pvt.AbsolutePositionEmbedding": stored_width("pos_dim", _embedded),
    **dict.fromkeys(
        ("torch.nn.modules.batchnorm._BatchNorm", "torch.nn.modules.instancenorm._InstanceNorm"),
        ModuleRule(counted_channels),
    ),
}
"""Rules by the qualified name of the class; a subclass has its base's."""
