"""Semantic segmentation on mmseg."""

from __future__ import annotations

import inspect
import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from bench_segmentation.models.components import ignore_index
from bench_segmentation.models.tuples import with_tuples
from harness.errors import UserError
from harness.exhaustion import exhausted
from harness.registry.task import Batch, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import torch
    from torch import nn

    from harness.registry.dataset import DatasetMeta
    from harness.registry.picture import Picture

BACKGROUND = "background"
"""Name of the class that `foreground_mIoU` leaves out."""


class Segmentation(Task):
    """Networks are mmseg's `EncoderDecoder` or `CascadeEncoderDecoder`."""

    def setup(self) -> str:
        """Imports mmseg's models and metrics and registers our loss, metric and data set."""
        import mmseg.models  # noqa: F401

        import bench_segmentation.digit_scenes
        import bench_segmentation.losses.batch_dice
        import bench_segmentation.losses.cross_entropy
        import bench_segmentation.losses.softmax_focal
        import bench_segmentation.metrics.segmentation_metric  # noqa: F401

        return "mmseg"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        """Returns a new network in training mode, initialised from torch's current seed.

        Raises:
            UserError: A package or compiled operation is missing, or the config does not fit this mmseg.
        """
        from mmengine.config import ConfigDict
        from mmengine.model import revert_sync_batchnorm
        from mmengine.registry import DefaultScope
        from mmseg.registry import MODELS

        scope = self.setup()
        try:
            with DefaultScope.overwrite_default_scope(scope):
                network: nn.Module = revert_sync_batchnorm(MODELS.build(ConfigDict(with_tuples(dict(config), MODELS))))
        except (ImportError, KeyError, AssertionError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            if exhausted(error):
                raise
            reason = str(error) or type(error).__name__
            message = f"the {config.get('type')} config cannot be built with the installed mmseg: {reason}"
            hint = "Install what it names (compiled mmcv operations, mmdet, mmpretrain) or choose another model."
            raise UserError(message, hint) from error
        initialize(network)
        return network

    def forward(self, model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
        """Returns the raw logits of the decode heads, stage by stage, then of the auxiliary heads.

        In training mode at batch size 1 heads with global pooling (PSP, ASPP) fail in their batch
        normalisation: give them two images or put those layers in eval mode.

        Args:
            model: The network, in whichever mode it is.
            images: Normalised images [N, 3, H, W].
        """
        network: Any = model
        features = network.extract_feat(images)
        outputs: list[torch.Tensor] = []
        previous: tuple[Any, ...] = ()
        for head in _heads(network.decode_head):
            output = head(features, *previous, **_samples(head, images))
            outputs += _tensors(output)
            previous = (output,)
        for head in _heads(getattr(network, "auxiliary_head", None)):
            outputs += _tensors(head(features))
        return outputs

    def class_maps(self, model: nn.Module, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Returns the outputs with as many maps as the decode head has classes; masks of queries are none."""
        network: Any = model
        classes = int(network.num_classes)
        return [output for output in outputs if output.dim() == 4 and output.shape[1] == classes > 1]  # noqa: PLR2004 - [N, classes, H, W]

    def predict(self, model: nn.Module, images: torch.Tensor) -> torch.Tensor:
        """Returns the logits [N, classes, H, W] of whole-image inference, resized to the input.

        Args:
            model: The network, usually in eval mode.
            images: Normalised images [N, 3, H, W].
        """
        network: Any = model
        size = images.shape[2:]
        metas = [{"ori_shape": size, "img_shape": size, "pad_shape": size, "padding_size": [0] * 4}]
        logits: torch.Tensor = network.encode_decode(images, metas * images.shape[0])
        return logits

    def loss(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        """Returns the sum of all heads' losses of a loader's batch, a scalar with its graph."""
        network: Any = model
        data = network.data_preprocessor(batch, True)
        total: torch.Tensor = network.parse_losses(network(**data, mode="loss"))[0]
        return total

    def batch_problem(self, batch: Batch, meta: DatasetMeta, *, training: bool) -> str:
        """Returns in what a batch is not what mmseg reads: images, label maps of their size, labels of the classes."""
        from bench_segmentation.labels import label_problem

        return super().batch_problem(batch, meta, training=training) or label_problem(batch, meta, training=training)

    def evaluator(self, meta: DatasetMeta) -> dict[str, Any]:
        """Returns mmseg's IoU metric with further figures."""
        background = meta.classes.index(BACKGROUND) if BACKGROUND in meta.classes else None
        return {
            "type": "mmseg.SegmentationMetric",
            "ignore_index": ignore_index(meta),
            "iou_metrics": ["mIoU"],
            "background": background,
        }

    def evaluator_of(self, meta: DatasetMeta, metric: str) -> dict[str, Any]:
        """Returns the same without boundaries, which take most of its time, where they are not asked for."""
        return {**self.evaluator(meta), "boundaries": metric.startswith("boundary_f")}

    def metrics(self, raw: Mapping[str, float], meta: DatasetMeta) -> dict[str, float]:
        """Returns the evaluator's percentages as fractions 0..1.

        Means leave out a class that occurs neither in labels nor in predictions, as mmseg's do; a mean
        without any class is NaN. Without a class `background`, `foreground_mIoU` equals `mIoU`. Beside the
        descriptor's names there are, for each class, `IoU.<class>`, `accuracy.<class>` and `boundary_f.<class>`.
        """
        del meta
        ours = {"mAcc": "mean_accuracy", "aAcc": "pixel_accuracy", "mDice": "mean_dice"}
        return {ours.get(key, key): float(value) / 100.0 for key, value in raw.items()}

    def paint(self, models: Mapping[str, nn.Module], batch: Batch, meta: DatasetMeta) -> list[Picture]:
        """Returns input, label and predictions of each sample in the colours of the classes, and their disagreement."""
        from bench_segmentation.painting import paint

        return paint(models, batch, meta)


def initialize(network: nn.Module) -> None:
    """Draws the network's weights once and marks every module so that mmengine does not do it again."""
    from mmengine.model import BaseModule

    with _quiet_mmengine():
        network.init_weights()  # type: ignore[operator]
    for module in network.modules():
        if isinstance(module, BaseModule):
            module.is_init = True


@contextmanager
def _quiet_mmengine() -> Iterator[None]:
    """Holds back the line that mmengine logs for every parameter it initialises."""
    from mmengine.logging import MMLogger

    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _heads(head: Any) -> list[Any]:
    """Returns mmseg's one head, list of heads or no head as a list."""
    from torch import nn

    if head is None:
        return []
    return list(head) if isinstance(head, nn.ModuleList) else [head]


def _samples(head: Any, images: torch.Tensor) -> dict[str, Any]:
    """Returns the argument of heads that read the sizes of images from their samples, as mask classifiers do."""
    from mmseg.structures import SegDataSample

    name, size = "batch_data_samples", tuple(images.shape[2:])
    if name not in inspect.signature(head.forward).parameters:
        return {}
    sizes = dict.fromkeys(("img_shape", "ori_shape", "pad_shape", "batch_input_shape"), size)
    return {name: [SegDataSample(metainfo=sizes) for _ in images]}


def _tensors(output: Any) -> list[torch.Tensor]:
    """Returns the tensors of a head's possibly nested output, in order."""
    import torch

    if isinstance(output, torch.Tensor):
        return [output]
    if isinstance(output, dict):
        output = list(output.values())
    if isinstance(output, (list, tuple)):
        return [tensor for part in output for tensor in _tensors(part)]
    return []
