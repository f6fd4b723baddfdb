"""ResNets with torchvision's structure and a head on their last stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from bench_segmentation.models.components import chosen_loss, cross_entropy, data_preprocessor, ignore_index
from bench_segmentation.network_options import ResNetSegmentorOptions
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta

EXPANSION = 4
AUXILIARY_WEIGHT = 0.4
AUXILIARY_DROPOUT = 0.1


class ResNetSegmentor(Model[ResNetSegmentorOptions]):
    """A backbone of ResNet's structure and one classifier; the base of the models of this module.

    `backbone.*` has the names of torchvision's checkpoints, their `classifier.*` is `decode_head.classifier.*` here
    and their `aux_classifier.*` is `auxiliary_head.classifier.*`.
    """

    depth: ClassVar[int] = 50
    output_stride: ClassVar[int] = 8
    layout: ClassVar[str] = "fcn"
    head_factor: ClassVar[int] = 8
    """Channels inside the head, as a multiple of the stem's."""

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config."""
        base = self.options.base_channels
        stages = [EXPANSION * base * 2**stage for stage in range(4)]
        config = {
            "type": "EncoderDecoder",
            "data_preprocessor": data_preprocessor(meta),
            "backbone": {
                "type": "bench_segmentation.networks.resnet.ResNet",
                "depth": self.depth,
                "output_stride": self.output_stride,
                "base_channels": base,
            },
            "decode_head": {
                **_head(self.layout, stages, -1, self.head_factor * base, self.options.dropout, meta),
                "loss_decode": chosen_loss(meta, self.options),
            },
            "train_cfg": {},
            "test_cfg": {"mode": "whole"},
        }
        if self.options.aux_loss:
            config["auxiliary_head"] = {
                **_head("fcn", stages, -2, stages[-2] // 4, AUXILIARY_DROPOUT, meta),
                "loss_decode": cross_entropy(meta, AUXILIARY_WEIGHT),
            }
        return config


class FCNResNet50(ResNetSegmentor):
    """torchvision's `fcn_resnet50`: Long et al., Fully Convolutional Networks for Semantic Segmentation (2015)."""


class FCNResNet101(ResNetSegmentor):
    """torchvision's `fcn_resnet101`."""

    depth = 101


class ResNet50Seg(ResNetSegmentor):
    """An ImageNet ResNet-50, at its own output stride of 32, and an FCN head."""

    output_stride = 32
    layout = "biased_fcn"


class ResNet101Seg(ResNet50Seg):
    """An ImageNet ResNet-101, at its own output stride of 32, and an FCN head."""

    depth = 101


class DeepLabV3ResNet50(ResNetSegmentor):
    """torchvision's `deeplabv3_resnet50`: Chen et al., Rethinking Atrous Convolution (2017)."""

    layout = "deeplab"
    head_factor = 4


class DeepLabV3ResNet101(DeepLabV3ResNet50):
    """torchvision's `deeplabv3_resnet101`."""

    depth = 101


class DeepLabV3ResNet101WildScenes(DeepLabV3ResNet101):
    """`deeplabv3_resnet101` with two convolutions where its head has the last one."""

    layout = "deeplab_deep"


def _head(
    layout: str, stages: list[int], index: int, channels: int, dropout: float, meta: DatasetMeta
) -> dict[str, Any]:
    return {
        "type": "bench_segmentation.networks.classifier_head.ClassifierHead",
        "layout": layout,
        "in_channels": stages[index],
        "in_index": index,
        "channels": channels,
        "dropout": dropout,
        "num_classes": len(meta.classes),
        "ignore_index": ignore_index(meta),
    }
