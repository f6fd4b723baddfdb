"""Object detection and instance segmentation on mmdet, as far as tracing and pruning need it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch

from bench_segmentation.models.tuples import with_tuples
from bench_segmentation.task import initialize
from harness.registry.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from harness.registry.task import Batch

PROPOSAL_SIDES = (64, 128, 256, 512)
"""Pixels; RoI extractors assign one to each of the four levels of a feature pyramid."""


class Detection(Task):
    """Networks are mmdet's dense and two-stage detectors, mask classifiers, and transformers of queries."""

    def setup(self):
        import mmdet.models  # noqa: F401

        return "mmdet"

    def build(self, config: Mapping[str, Any]) -> nn.Module:
        from mmdet.registry import MODELS, TASK_UTILS
        from mmengine.config import ConfigDict
        from mmengine.model import revert_sync_batchnorm
        from mmengine.registry import DefaultScope

        with DefaultScope.overwrite_default_scope(self.setup()):
            network = revert_sync_batchnorm(MODELS.build(ConfigDict(with_tuples(config, MODELS, TASK_UTILS))))
            initialize(network)
        return network

    def forward(self, model, images):
        """Returns the raw outputs of all heads; second stages look at fixed proposals, not at what the first found."""
        features = model.extract_feat(images)
        if hasattr(model, "forward_transformer"):
            return list(_tensors(_decoded(model, features, images)))
        if hasattr(model, "panoptic_head"):
            return list(_tensors(model.panoptic_head(features, _samples(images))))
        if hasattr(getattr(model, "rpn_head", None), "init_proposal_features"):
            return list(_tensors(_refined(model, features, images)))
        heads = [getattr(model, name, None) for name in ("bbox_head", "rpn_head", "mask_head", "semantic_head")]
        outputs = [head(features) for head in heads if head is not None and not _reads_boxes(head)]
        if getattr(model, "with_roi_head", False):
            outputs.append(model.roi_head(features, [_proposals(images)] * images.shape[0], _samples(images)))
        return list(_tensors(outputs))

    def predict(self, model, images):
        """Returns all raw outputs of each image side by side, [N, values]."""
        return torch.cat([output.reshape(images.shape[0], -1) for output in self.forward(model, images)], dim=1)

    def loss(self, model, batch: Batch):
        from mmengine.logging import MessageHub

        MessageHub.get_current_instance().update_info("epoch", 0)  # as training does; some assigners read it
        data = model.data_preprocessor(batch, True)
        if not model.with_mask and not hasattr(model, "panoptic_head"):
            for sample in data["data_samples"]:
                sample.gt_instances.pop("masks", None)  # as their data sets have none, and some assigners look
        return model.parse_losses(model(**data, mode="loss"))[0]

    def evaluator(self, meta):
        raise NotImplementedError

    def metrics(self, raw, meta):
        raise NotImplementedError


def labelled_boxes(size: tuple[int, int], classes: int, generator: torch.Generator, count: int = 4) -> Any:
    """Returns a data sample with `count` objects whose masks fill their boxes.

    The boxes are at least 16 pixels a side and lie in an image of (height, width). What is no object is labelled with
    the last class for the networks that segment both.
    """
    from mmdet.structures import DetDataSample
    from mmdet.structures.mask import BitmapMasks
    from mmengine.structures import InstanceData, PixelData

    height, width = size
    limits = torch.tensor([width, height])
    sides = 16 + torch.rand(count, 2, generator=generator) * (limits / 2 - 16)
    corners = torch.rand(count, 2, generator=generator) * (limits - sides)
    boxes = torch.cat([corners, corners + sides], dim=1)
    filled = torch.zeros(count, height, width, dtype=torch.uint8)
    for mask, (left, top, right, bottom) in zip(filled, boxes.round().int().tolist(), strict=True):
        mask[top:bottom, left:right] = 1
    shapes = {name: size for name in ("img_shape", "ori_shape", "batch_input_shape", "pad_shape")}
    sample = DetDataSample(metainfo={**shapes, "scale_factor": (1.0, 1.0)})
    sample.gt_instances = InstanceData(
        bboxes=boxes,
        labels=torch.randint(classes, (count,), generator=generator),
        masks=BitmapMasks(filled.numpy(), height, width),
    )
    sample.gt_sem_seg = PixelData(sem_seg=torch.full((1, height, width), classes - 1))
    return sample


def _samples(images: torch.Tensor) -> list[Any]:
    """Returns what networks read that look at labels or image shapes in their forward pass."""
    generator = torch.Generator().manual_seed(0)
    size = (int(images.shape[2]), int(images.shape[3]))
    return [labelled_boxes(size, 1, generator) for _ in images]


def _decoded(model: Any, features: Any, images: torch.Tensor) -> list[Any]:
    """Returns the outputs of the head behind a transformer, and what else of it only the loss reads."""
    decoded = model.forward_transformer(features, _samples(images))
    read = inspect.signature(model.bbox_head.forward).parameters
    outputs = model.bbox_head(**{name: value for name, value in decoded.items() if name in read})
    return [outputs, *(value for name, value in decoded.items() if name not in read)]


def _refined(model: Any, features: Any, images: torch.Tensor) -> list[Any]:
    """Returns scores and boxes of each stage that refines proposals which the network has learned."""
    samples = _samples(images)
    found = model.rpn_head.predict(features, samples)
    proposals, queries = [each.bboxes for each in found], torch.stack([each.features for each in found])
    outputs = []
    for stage in range(model.roi_head.num_stages):
        rois = torch.cat(
            [torch.cat([boxes.new_full((len(boxes), 1), n), boxes], 1) for n, boxes in enumerate(proposals)]
        )
        result = model.roi_head._bbox_forward(stage, features, rois, queries, [sample.metainfo for sample in samples])
        proposals, queries = result["detached_proposals"], result["object_feats"]
        outputs.append((result["cls_score"], result["decoded_bboxes"]))
    return outputs


def _reads_boxes(head: Any) -> bool:
    """Whether a head needs what another one found."""
    return len(inspect.signature(head.forward).parameters) > 1


def _proposals(images: torch.Tensor) -> Any:
    from mmengine.structures import InstanceData

    height, width = images.shape[2:]
    half = torch.tensor(PROPOSAL_SIDES, dtype=images.dtype, device=images.device)[:, None] / 2
    centre = images.new_tensor([width / 2, height / 2])
    return InstanceData(bboxes=torch.cat([centre - half, centre + half], dim=1))


def _tensors(output: Any) -> Iterable[torch.Tensor]:
    """Yields the tensors of a nested output, in order."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, dict):
        yield from _tensors(list(output.values()))
    elif isinstance(output, (list, tuple)):
        for part in output:
            yield from _tensors(part)
