"""A small U-Net."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.descriptors import UNetOptions
from bench_segmentation.models.components import chosen_loss, data_preprocessor, ignore_index
from harness.registry.model import Model

if TYPE_CHECKING:
    from harness.registry.dataset import DatasetMeta


class UNet(Model[UNetOptions]):
    """mmseg's U-Net with four stages from half the resolution down: sides must be multiples of 16.

    Starting at half the resolution makes a step four times cheaper and lets the bottom see all of a digit.

    Source: Ronneberger et al., U-Net: Convolutional Networks for Biomedical Image Segmentation (2015).
    """

    def config(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns the model config; about 0.45 M parameters at 16 base channels."""
        base = self.options.base_channels
        norm = {"type": "BN", "requires_grad": True}
        stages = 4
        return {
            "type": "EncoderDecoder",
            "data_preprocessor": data_preprocessor(meta),
            "backbone": {
                "type": "UNet",
                "base_channels": base,
                "num_stages": stages,
                "strides": [2] + [1] * (stages - 1),
                "enc_num_convs": [2] * stages,
                "dec_num_convs": [2] * (stages - 1),
                "downsamples": [True] * (stages - 1),
                "enc_dilations": [1] * stages,
                "dec_dilations": [1] * (stages - 1),
                "norm_cfg": norm,
            },
            "decode_head": {
                "type": "FCNHead",
                "in_channels": base,
                "in_index": stages - 1,
                "channels": base,
                "num_convs": 0,
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
