"""How published checkpoints call the weights of our networks: what names begin with there and here; free of torch.

Layers have the same order and shapes on both sides, so that beginnings are all there is to change. See
`harness.registry.ModelDescriptor.foreign_names`.
"""

from __future__ import annotations

from collections.abc import Mapping

TRAINING_PARTS = ("auxiliary_head.",)
"""torchvision's checkpoints have an auxiliary head, which inference does not use."""

TORCHVISION_NAMES: Mapping[str, str] = {
    "classifier.": "decode_head.classifier.",
    "aux_classifier.": "auxiliary_head.classifier.",
}
"""DeepLabV3 and FCN of torchvision; its `backbone.*` is ours."""

_CHILDREN = {0: "conv1", 1: "bn1", 4: "layer1", 5: "layer2", 6: "layer3", 7: "layer4"}

VSS_RESNET_NAMES: Mapping[str, str] = {
    "classifier.": "decode_head.classifier.",
    **{f"backbone_net.{place}.": f"backbone.{name}." for place, name in _CHILDREN.items()},
}
"""`resnet50_seg` and `resnet101_seg` of the VSS benchmark: a sequence of torchvision's children of a ResNet."""

VSS_SEGNET_NAMES: Mapping[str, str] = {
    **{f"enc{stage}.": f"backbone.encoders.{stage - 1}." for stage in (1, 2, 3, 4)},
    **{f"dec{stage}.": f"backbone.decoders.{4 - stage}." for stage in (4, 3, 2, 1)},
    "classifier.": "backbone.classifier.",
}
"""`simple_segnet` of the VSS benchmark, whose decoders count down."""

VSS_UNET_NAMES: Mapping[str, str] = {
    **{f"downs.{stage}.conv.": f"backbone.downs.{stage}." for stage in range(4)},
    **{f"ups.{2 * stage}.": f"backbone.ups.{stage}." for stage in range(4)},
    **{f"ups.{2 * stage + 1}.conv.": f"backbone.merges.{stage}." for stage in range(4)},
    "bottleneck.conv.": "backbone.bottleneck.",
    "final_conv.": "backbone.classifier.",
}
"""`unet` of the VSS benchmark, whose list of the way up holds transposed convolutions and merges in turn."""

WILDSCENES_UNET_NAMES: Mapping[str, str] = {
    "encoder1.double_conv.": "backbone.downs.0.",
    **{f"encoder{stage + 1}.maxpool_conv.1.double_conv.": f"backbone.downs.{stage}." for stage in range(1, 5)},
    **{f"upconv{4 - stage}.up.1.": f"backbone.halvings.{stage}." for stage in range(4)},
    **{f"upconv{4 - stage}.conv.double_conv.": f"backbone.merges.{stage}." for stage in range(4)},
    "final_conv.": "backbone.classifier.",
}
"""The U-Net of the WildScenes study, whose way up counts down."""
