"""Descriptors of the data sets on disk; free of torch and mmseg."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bench_segmentation.datasets.options import (
    ADE20KOptions,
    CamVidOptions,
    CityscapesOptions,
    FolderOptions,
    VOCOptions,
    WildScenesOptions,
)
from harness.registry.descriptors import DatasetDescriptor, Options
from harness.registry.verification import Verification


@dataclass(frozen=True, kw_only=True)
class FolderDescriptor(DatasetDescriptor):
    """A data set on disk."""

    task: str = "segmentation"
    implementation: str = "bench_segmentation.datasets.loading:FolderDataset"

    def fingerprint(self, options: Options) -> str:
        """Returns a hash of names, sizes and ends of all files; see `bench_segmentation.datasets.fingerprint`."""
        from bench_segmentation.datasets.fingerprint import fingerprint

        return fingerprint(cast("FolderOptions", options))

    def verify(self, options: Options, progress: Callable[[int, int], None]) -> Verification:
        """Returns what is wrong with the files, each of which is decoded."""
        from bench_segmentation.datasets.verification import verify

        return verify(cast("FolderOptions", options), progress)

    def write_fixture(
        self, options: Options, folder: Path, samples: int, seed: int, progress: Callable[[int, int], None]
    ) -> None:
        """Writes generated scenes in the layout of the real data set."""
        from bench_segmentation.datasets.fixture import write_fixture

        write_fixture(cast("FolderOptions", options), folder, samples, seed, progress)


CITYSCAPES = FolderDescriptor(
    name="cityscapes",
    summary="Streets of 50 cities, 19 classes; needs its files (option root) with labelTrainIds.",
    options=CityscapesOptions,
    seed_metric="mIoU_dataset_eps",
)

CAMVID = FolderDescriptor(
    name="camvid",
    summary="Streets of Cambridge, 11 classes, with index or painted label maps; needs its files (option root).",
    options=CamVidOptions,
    seed_metric="mIoU_dataset_eps",
)

WILDSCENES = FolderDescriptor(
    name="wildscenes",
    summary="Forests of Queensland, 15 classes, with the authors' or other splits; needs its files (option root).",
    options=WildScenesOptions,
    seed_metric="mIoU_image_absent0",
)

VOC = FolderDescriptor(
    name="voc",
    summary="Pascal VOC 2012, background and 20 classes; needs its files (option root).",
    options=VOCOptions,
)

ADE20K = FolderDescriptor(
    name="ade20k",
    summary="ADE20K scene parsing, 150 classes; needs its files (option root).",
    options=ADE20KOptions,
)
