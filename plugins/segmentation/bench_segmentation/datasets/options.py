"""Options of the data sets on disk; torch-free.

The defaults are those of the rows that use a data set: the size that images are resized to and what training draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from harness.registry.descriptors import Options

EvaluateAt = Literal["input", "label_size", "whole_image"]
WeightRule = Literal["inverse", "median", "enet"]
ClassWeights = Literal["none", "inverse", "median", "enet"] | tuple[float, ...]


class FolderOptions(Options):
    """What all data sets on disk have in common.

    Attributes:
        dataset: The data set's name.
        layout_class: `"package.module:Class"` of the `LabelledFolder` that knows its files.
        path_options: Options that say where files lie and not what is in them; they are in no fingerprint.
        fixture_options: What a fixture is written with where the options leave it open.
    """

    dataset: ClassVar[str] = ""
    layout_class: ClassVar[str] = ""
    path_options: ClassVar[frozenset[str]] = frozenset({"root"})
    fixture_options: ClassVar[Mapping[str, Any]] = {}

    root: Path | None = Field(
        default=None,
        description="Folder of the data set; it must be given. A relative one is below the benchmark file.",
    )
    height: int = Field(default=512, ge=16, description="Rows of a network input; images are resized to it.")
    width: int = Field(default=512, ge=16, description="Columns of a network input.")
    evaluate_at: EvaluateAt = Field(
        default="input",
        description="Where predictions are compared: input (labels are resized like images), label_size (predictions "
        "are resized to the labels), whole_image (images keep their size; height and width are the training's window).",
    )
    flip: float = Field(default=0.5, ge=0, le=1, description="Training: probability of a horizontal flip.")
    vertical_flip: float = Field(default=0.0, ge=0, le=1, description="Training: probability of a vertical flip.")
    rotation: float = Field(default=0.0, ge=0, le=180, description="Training: largest angle in degrees, either way.")
    rotation_label: Literal["ignored", "class_0"] = Field(
        default="ignored", description="Training: label of the corners that a rotation leaves empty."
    )
    blur: float = Field(
        default=0.0, ge=0, le=1, description="Training: probability of a Gaussian blur, sigma 0.1 to 2 pixels."
    )
    blur_kernel: Literal[3, 5, 7] = Field(default=5, description="Training: side of the blur's kernel in pixels.")
    jitter: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Training: probability that brightness, contrast and saturation (0.8 to 1.2) and hue (0.1 of the "
        "circle) change.",
    )
    crop_scale: tuple[float, float] | None = Field(
        default=None,
        description="Training: smallest and largest factor of a random resize in front of a random window of height "
        "x width, e.g. [0.5, 2]; of the input size, or of the image's own with evaluate_at whole_image.",
    )
    crop_class_limit: float = Field(
        default=1.0, gt=0, le=1, description="Training: largest share of a window that one class should have."
    )

    class_weights: ClassWeights = Field(
        default="none",
        description="Training: weight of each class in cross-entropies: none; inverse, median or enet by how often it "
        "occurs in the training split; or one number a class.",
    )
    drop_last: bool = Field(
        default=False, description="Validation and test: leave out the last batch where it is not full."
    )

    @field_validator("class_weights")
    @classmethod
    def _usable(cls, weights: ClassWeights) -> ClassWeights:
        usable = isinstance(weights, str) or (all(0 <= weight < math.inf for weight in weights) and any(weights))
        if not usable:
            message = "expected finite numbers, none below 0 and one above it at least"
            raise ValueError(message)
        return weights

    @field_validator("crop_scale")
    @classmethod
    def _ascending(cls, scale: tuple[float, float] | None) -> tuple[float, float] | None:
        if scale is not None and not 0 < scale[0] <= scale[1]:
            message = "expected two factors above 0, the smaller one first"
            raise ValueError(message)
        return scale


class CityscapesOptions(FolderOptions):
    """Options of Cityscapes."""

    dataset: ClassVar[str] = "cityscapes"
    layout_class: ClassVar[str] = "bench_segmentation.datasets.cityscapes:Cityscapes"

    width: int = Field(default=1024, ge=16, description="Columns of a network input.")


class CamVidOptions(FolderOptions):
    """Options of CamVid."""

    dataset: ClassVar[str] = "camvid"
    layout_class: ClassVar[str] = "bench_segmentation.datasets.camvid:CamVid"
    fixture_options: ClassVar[Mapping[str, Any]] = {"layout": "index"}
    # Its mean ran over the ignored label too.
    seed_defaults: ClassVar[Mapping[str, Any]] = {"classes": 12}

    height: int = Field(default=360, ge=16, description="Rows of a network input; images are resized to it.")
    width: int = Field(default=480, ge=16, description="Columns of a network input.")
    layout: Literal["auto", "index", "rgb"] = Field(
        default="auto",
        description="index: label maps in trainannot/, ...; rgb: painted ones in train_labels/, ...; auto: whichever "
        "is there.",
    )
    classes: Literal[11, 12] = Field(
        default=11, description="Outputs of a network: the 11 classes, or 12 with the ignored label 11 among them."
    )


class WildScenesOptions(FolderOptions):
    """Options of WildScenes."""

    dataset: ClassVar[str] = "wildscenes"
    layout_class: ClassVar[str] = "bench_segmentation.datasets.wildscenes:WildScenes"
    path_options: ClassVar[frozenset[str]] = frozenset({"root", "split_files"})
    # Two traverses in random shares, indices taken for an alphabetical list, corners of rotations trained as class 0.
    seed_defaults: ClassVar[Mapping[str, Any]] = {
        "split": "seed_random",
        "traverses": ("V-01", "V-02"),
        "labels": "seed",
        "rotation_label": "class_0",
        "drop_last": True,
    }

    height: int = Field(default=256, ge=16, description="Rows of a network input; images are resized to it.")
    width: int = Field(default=256, ge=16, description="Columns of a network input.")
    rotation: float = Field(default=10.0, ge=0, le=180, description="Training: largest angle in degrees, either way.")
    blur: float = Field(
        default=0.5, ge=0, le=1, description="Training: probability of a Gaussian blur, sigma 0.1 to 2 pixels."
    )
    split: Literal["official", "timestamp", "seed_random"] = Field(
        default="official",
        description="official: the CSV files; timestamp: by time, 7:2:1 in one piece each; seed_random: the same "
        "shares drawn at random, which leaks, for neighbouring frames are alike.",
    )
    split_seed: int = Field(default=0, ge=0, description="Seed of split seed_random.")
    split_files: Path | None = Field(
        default=None, description="Folder of train.csv, val.csv and test.csv; default: looked for below root."
    )
    traverses: tuple[str, ...] = Field(
        default=(), description="Traverses that timestamp and seed_random split, e.g. [V-01, V-02]; default: all."
    )
    labels: Literal["official", "seed"] = Field(
        default="official",
        description="official: 15 classes; seed: the 17 outputs of the first code, its mix-ups kept.",
    )


class VOCOptions(FolderOptions):
    """Options of Pascal VOC 2012."""

    dataset: ClassVar[str] = "voc"
    layout_class: ClassVar[str] = "bench_segmentation.datasets.voc:VOC"


class ADE20KOptions(FolderOptions):
    """Options of ADE20K."""

    dataset: ClassVar[str] = "ade20k"
    layout_class: ClassVar[str] = "bench_segmentation.datasets.ade20k:ADE20K"
