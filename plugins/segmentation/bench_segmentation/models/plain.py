"""The task adapter of plain PyTorch networks: any module from images to logits is a segmentation model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_segmentation.models.components import cross_entropy, data_preprocessor, ignore_index

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.registry.dataset import DatasetMeta


def plain_segmentor(meta: DatasetMeta, network: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the config of a segmentation model whose network is a plain `torch.nn.Module`.

    The network takes normalised images [N, 3, H, W] and returns logits [N, classes, h, w] at any resolution; they are
    resized to the images'. It needs no base class and is drawn from torch's current seed by its own constructor.

    Args:
        meta: The data set.
        network: `type` is the dotted path of its class, the rest its constructor's arguments, as plain JSON data.
    """
    return {
        "type": "EncoderDecoder",
        "data_preprocessor": data_preprocessor(meta),
        "backbone": dict(network),
        "decode_head": {
            "type": "bench_segmentation.models.logits_head.LogitsHead",
            "num_classes": len(meta.classes),
            "ignore_index": ignore_index(meta),
            "loss_decode": cross_entropy(meta),
        },
        "train_cfg": {},
        "test_cfg": {"mode": "whole"},
    }
