"""The worker's environment: versions, hardware, threads."""

from __future__ import annotations

import platform
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from harness.plan.hardware import hardware

_PACKAGES = (
    "torch", "numpy", "safetensors",
    "mmengine", "onedl-mmengine", "mmcv", "onedl-mmcv",
    "mmsegmentation", "onedl-mmsegmentation", "mmdet", "onedl-mmdetection",
)  # fmt: skip


def use_threads(count: int) -> None:
    """Sets the number of threads of torch's operators and of OpenCV."""
    import cv2

    torch.set_num_threads(count)
    cv2.setNumThreads(count if count > 1 else 0)


def describe_environment() -> dict[str, Any]:
    """Returns plain JSON: Python, packages, hardware, threads."""
    return {**_fixed(), "threads": torch.get_num_threads()}


@cache
def _fixed() -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "hardware": hardware(),
        "gpus": [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
