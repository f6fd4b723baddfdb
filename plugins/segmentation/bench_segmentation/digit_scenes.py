"""The digit scenes as an mmengine data set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.registry import DATASETS
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

from bench_digits import CLASSES, PALETTE, SceneGenerator
from bench_segmentation.recolouring import recolour

if TYPE_CHECKING:
    from harness.registry.dataset import Split

AUGMENTATION_STREAM = 2
"""Keeps the draws of the augmentation apart from those of the scene itself."""


@DATASETS.register_module()
class DigitScenes(Dataset[dict[str, Any]]):
    """Scenes 0..length-1 of a split, composed when they are asked for.

    Args:
        split: `train`, `val` or `test`; their digits and photos are disjoint.
        seed: Seed of the scenes.
        size: Side in pixels.
        length: How many scenes.
        augment: Whether their colours are changed at random, for training.
    """

    def __init__(self, split: Split, seed: int, size: int, length: int, augment: bool = False) -> None:
        self.generator = SceneGenerator(split, seed, size)
        self.length = length
        self.augment = augment
        self.metainfo = {"classes": CLASSES, "palette": PALETTE}

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Returns one sample in mmseg's form.

        Returns:
            `inputs`: uint8 [3, H, W] in BGR order, as mmseg's own image loading gives it.
            `data_samples`: a `SegDataSample` whose `gt_sem_seg` is int64 [1, H, W].

        Raises:
            IndexError: There is no such scene; it also ends plain iteration.
        """
        if not 0 <= index < self.length:
            message = f"scene {index} of {self.length}"
            raise IndexError(message)
        scene = self.generator.scene(index)
        pixels = scene.image
        if self.augment:
            draws = np.random.default_rng((self.generator.seed, index, AUGMENTATION_STREAM))
            pixels = recolour(pixels, draws)
        image = np.ascontiguousarray(pixels[:, :, ::-1].transpose(2, 0, 1))
        size = scene.mask.shape
        sample = SegDataSample(
            gt_sem_seg=PixelData(data=torch.from_numpy(scene.mask.astype(np.int64))[None]),
            metainfo={"img_id": index, "ori_shape": size, "img_shape": size},
        )
        return {"inputs": torch.from_numpy(image), "data_samples": sample}
