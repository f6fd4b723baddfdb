"""A small residual network with an FCN head on all of its stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.descriptors import ResidualFCNOptions
from bench_segmentation.models.components import chosen_loss, data_preprocessor, ignore_index
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta


class ResidualFCN(Model[ResidualFCNOptions]):
    """ResNet-18 and a fully convolutional head on its four stages, concatenated at stride 4.

    Backbone: He et al., Deep Residual Learning for Image Recognition (2016). Head: Long et al., Fully
    Convolutional Networks for Semantic Segmentation (2015), with mmseg's `resize_concat`.
    """

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config; about 0.8 M parameters at 16 base channels."""
        base = self.options.base_channels
        norm = {"type": "BN", "requires_grad": True}
        return {
            "type": "EncoderDecoder",
            "data_preprocessor": data_preprocessor(meta),
            "backbone": {
                # Three 3x3 convolutions instead of one 7x7, and residual branches that count from the start:
                # both shorten the plateau at all-background.
                "type": "ResNetV1c",
                "zero_init_residual": False,
                "depth": 18,
                "stem_channels": base,
                "base_channels": base,
                "norm_cfg": norm,
            },
            "decode_head": {
                "type": "FCNHead",
                "in_channels": [base, 2 * base, 4 * base, 8 * base],
                "in_index": [0, 1, 2, 3],
                "input_transform": "resize_concat",
                "channels": 2 * base,
                "num_convs": 1,
                "concat_input": False,
                "dropout_ratio": 0.0,
                "num_classes": len(meta.classes),
                "ignore_index": ignore_index(meta),
                "norm_cfg": norm,
                "loss_decode": chosen_loss(meta, self.options),
            },
            "train_cfg": {},
            "test_cfg": {"mode": "whole"},
        }
