"""Object detection on mmdet, as far as tracing and pruning need it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from bench_segmentation.task import initialize
from harness.registry.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from harness.registry.task import Batch

PROPOSAL_SIDES = (64, 128, 256, 512)
"""Pixels; RoI extractors assign one to each of the four levels of a feature pyramid."""


class Detection(Task):
    """Networks are mmdet's single-stage and two-stage detectors."""

    def setup(self):
        import mmdet.models  # noqa: F401

        return "mmdet"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        from mmdet.registry import MODELS
        from mmengine.config import ConfigDict
        from mmengine.model import revert_sync_batchnorm
        from mmengine.registry import DefaultScope

        with DefaultScope.overwrite_default_scope(self.setup()):
            network = revert_sync_batchnorm(MODELS.build(ConfigDict(config)))
            initialize(network)
        return network

    def forward(self, model, images):
        """Returns the raw maps of the dense heads, then (of two stages) scores and boxes of fixed proposals."""
        features = model.extract_feat(images)
        if not getattr(model, "with_roi_head", False):
            return list(_tensors(model.bbox_head(features)))
        regions = model.roi_head(features, [_proposals(images)] * images.shape[0])
        return [*_tensors(model.rpn_head(features)), *_tensors(regions)]

    def predict(self, model, images):
        """Returns all raw outputs of each image side by side, [N, values]."""
        return torch.cat([output.reshape(images.shape[0], -1) for output in self.forward(model, images)], dim=1)

    def loss(self, model, batch: Batch):
        data = model.data_preprocessor(batch, True)
        return model.parse_losses(model(**data, mode="loss"))[0]

    def evaluator(self, meta):
        raise NotImplementedError

    def metrics(self, raw, meta):
        raise NotImplementedError


def labelled_boxes(size: tuple[int, int], classes: int, generator: torch.Generator, count: int = 4) -> Any:
    """Returns a data sample with `count` boxes of at least 16 pixels a side that lie in an image of (height, width)."""
    from mmdet.structures import DetDataSample
    from mmengine.structures import InstanceData

    height, width = size
    limits = torch.tensor([width, height])
    sides = 16 + torch.rand(count, 2, generator=generator) * (limits / 2 - 16)
    corners = torch.rand(count, 2, generator=generator) * (limits - sides)
    sample = DetDataSample(metainfo={"img_shape": size, "ori_shape": size, "scale_factor": (1.0, 1.0)})
    sample.gt_instances = InstanceData(
        bboxes=torch.cat([corners, corners + sides], dim=1),
        labels=torch.randint(classes, (count,), generator=generator),
    )
    return sample


def _proposals(images: torch.Tensor) -> Any:
    from mmengine.structures import InstanceData

    height, width = images.shape[2:]
    half = torch.tensor(PROPOSAL_SIDES, dtype=images.dtype, device=images.device)[:, None] / 2
    centre = images.new_tensor([width / 2, height / 2])
    return InstanceData(bboxes=torch.cat([centre - half, centre + half], dim=1))


def _tensors(output: Any) -> Iterable[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    else:
        for part in output:
            yield from _tensors(part)
