"""Transforms that mmcv and mmseg do not have, or have with other distributions; they draw from numpy's generator."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench_segmentation.datasets.label_table import ColourTable, IndexTable

Sample = dict[str, Any]

_SIGMAS = (0.1, 2.0)
_STRENGTH, _HUE = 0.2, 0.1
_HALF_CIRCLE = 180
"""Hues of cv2's 8-bit HSV."""


@TRANSFORMS.register_module()
class ReadLabels(BaseTransform):
    """Reads class numbers through the data set's table, as `bench datasets verify` does.

    Args:
        table: What the values of label files mean.
    """

    def __init__(self, table: IndexTable | ColourTable) -> None:
        self._table = table

    def transform(self, results: Sample) -> Sample:
        """Adds `gt_seg_map`, uint8 [H, W]."""
        results["gt_seg_map"] = self._table.read(Path(results["seg_map_path"]))
        results["seg_fields"].append("gt_seg_map")
        return results


@TRANSFORMS.register_module()
class StateInputShape(BaseTransform):
    """States that labels are compared at the input's size, not at that of the file."""

    def transform(self, results: Sample) -> Sample:
        """Sets `ori_shape` and `img_shape`."""
        results["ori_shape"] = results["img_shape"] = results["img"].shape[:2]
        return results


@TRANSFORMS.register_module()
class RandomScale(BaseTransform):
    """Resizes image and labels to a random multiple of a size.

    Args:
        scale: Smallest and largest factor.
        size: (height, width) that factor 1 stands for; `None` for the image's own.
    """

    def __init__(self, scale: tuple[float, float], size: tuple[int, int] | None) -> None:
        self._scale = scale
        self._size = size

    def transform(self, results: Sample) -> Sample:
        """Changes `img` and `gt_seg_map`."""
        factor = np.random.uniform(*self._scale)
        height, width = self._size or results["img"].shape[:2]
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        results["img"] = mmcv.imresize(results["img"], size)
        results["gt_seg_map"] = mmcv.imresize(results["gt_seg_map"], size, interpolation="nearest")
        results["img_shape"] = results["img"].shape[:2]
        return results


@TRANSFORMS.register_module()
class RandomBlur(BaseTransform):
    """Gaussian blur with a sigma drawn evenly between 0.1 and 2 pixels.

    Args:
        probability: How often.
        kernel: Side of the kernel in pixels, odd.
    """

    def __init__(self, probability: float, kernel: int) -> None:
        self._probability = probability
        self._kernel = kernel

    def transform(self, results: Sample) -> Sample:
        """Changes `img`."""
        if np.random.random() < self._probability:
            sigma = np.random.uniform(*_SIGMAS)
            results["img"] = cv2.GaussianBlur(results["img"], (self._kernel, self._kernel), sigma)
        return results


@TRANSFORMS.register_module()
class ColourJitter(BaseTransform):
    """Brightness, contrast and saturation times 0.8 to 1.2, hue turned by up to 0.1 of the circle, in this order.

    Args:
        probability: How often.
    """

    def __init__(self, probability: float) -> None:
        self._probability = probability

    def transform(self, results: Sample) -> Sample:
        """Changes `img`, uint8 BGR."""
        if np.random.random() < self._probability:
            brightness, contrast, saturation = np.random.uniform(1 - _STRENGTH, 1 + _STRENGTH, 3)
            results["img"] = jittered(
                results["img"], brightness, contrast, saturation, hue=np.random.uniform(-_HUE, _HUE)
            )
        return results


def jittered(
    image: NDArray[np.uint8], brightness: float, contrast: float, saturation: float, hue: float
) -> NDArray[np.uint8]:
    """Returns an image with changed colours.

    Args:
        image: [H, W, 3], BGR.
        brightness: Factor of all values.
        contrast: Factor of the distance from the image's mean grey.
        saturation: Factor of the distance from each pixel's own grey.
        hue: Turn, in parts of the circle.
    """
    pixels = np.clip(image.astype(np.float32) * brightness, 0, 255)
    mean = float(_grey(pixels).mean())
    pixels = np.clip(mean + (pixels - mean) * contrast, 0, 255)
    grey = _grey(pixels)[..., None]
    pixels = np.clip(grey + (pixels - grey) * saturation, 0, 255)
    turned = cv2.cvtColor(np.rint(pixels).astype(np.uint8), cv2.COLOR_BGR2HSV)
    shift = round(hue * _HALF_CIRCLE)
    turned[..., 0] = (turned[..., 0].astype(np.int16) + shift) % _HALF_CIRCLE
    result: NDArray[np.uint8] = cv2.cvtColor(turned, cv2.COLOR_HSV2BGR)
    return result


def _grey(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the luma [H, W] of BGR pixels (ITU-R BT.601)."""
    luma: NDArray[np.float32] = pixels @ np.array([0.114, 0.587, 0.299], dtype=np.float32)
    return luma
