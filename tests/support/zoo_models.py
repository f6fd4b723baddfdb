"""The zoo models of `zoo.yaml`, built from the configs of the installed packages with random weights."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import yaml
from detection_task import Detection, labelled_boxes
from torch import nn

from bench_segmentation.models.zoo import MMSegZoo
from bench_segmentation.task import Segmentation
from harness.registry.dataset import DatasetMeta
from harness.registry.descriptors import Options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.registry.task import Batch, Task

CITYSCAPES_CLASSES = 19
COCO_CLASSES = 80
COMPILED = ("mmcv._ext", "mmdet")
PASS = "pass"
LIST = Path(__file__).parent / "zoo.yaml"


@dataclass(frozen=True, kw_only=True)
class ZooModel:
    """A network of a zoo.

    Attributes:
        name: What reports call it.
        member: Path of its config below the package's folder of configs, without `.py`.
        family: How it is built, run and fed.
        sizes: Two input sizes (height, width) in pixels; traces and losses use the first.
        needs: Modules beyond mmseg that must be importable.
        expected: `pass`, or what its failure says, a regular expression.
    """

    name: str
    member: str
    family: Family
    sizes: tuple[tuple[int, int], tuple[int, int]]
    needs: tuple[str, ...] = ()
    expected: str = PASS

    @property
    def config_name(self) -> str:
        """Its config as users write it, e.g. `mmseg::fcn/...`."""
        return f"{self.family.package}::{self.member}"

    @property
    def task(self) -> Task:
        return self.family.task()

    @property
    def meta(self) -> DatasetMeta:
        classes = tuple(f"class {number}" for number in range(self.family.classes))
        # Statistics of ImageNet, so that the uint8 images of a batch and the normalised ones of a trace are alike.
        mean, deviation = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
        return DatasetMeta(
            splits=("val",), input_size=self.sizes[0], mean=mean, std=deviation, classes=classes, ignore_index=255
        )

    @property
    def config(self) -> dict[str, Any]:
        """The model config, adapted to `meta` and free of pretrained weights."""
        return self.family.config(self.member, self.meta)

    def build(self, seed: int) -> nn.Module:
        """Returns the network, in training mode, with weights and normalisation drawn from a seed."""
        torch.manual_seed(seed)
        task = self.task
        task.setup()
        return randomize(task.build(self.config), task, torch.randn(2, 3, *self.sizes[0]))

    def batch(self, seed: int, images: int = 2) -> Batch:
        """Returns a training batch of noise images and random labels, as a loader would."""
        generator = torch.Generator().manual_seed(seed)
        size = self.sizes[0]
        noise = torch.randint(256, (images, 3, *size), generator=generator, dtype=torch.uint8)
        samples = [self.family.sample(size, self.family.classes, generator) for _ in range(images)]
        return {"inputs": list(noise), "data_samples": samples}


@dataclass(frozen=True, kw_only=True)
class Family:
    """What differs between the zoos.

    Attributes:
        task: Makes the task plugin.
        config: Returns the model config for (member, meta).
        sample: Returns a labelled data sample for (image size, number of classes, generator).
        classes: Number of classes.
        package: Whose configs they are.
    """

    task: Callable[[], Task]
    config: Callable[[str, DatasetMeta], dict[str, Any]]
    sample: Callable[[tuple[int, int], int, torch.Generator], Any]
    classes: int
    package: str


class QuerySegmentation(Segmentation):
    """mmseg networks whose head takes data samples; of those it reads the shapes of images only."""

    def forward(self, model, images):
        from mmseg.structures import SegDataSample

        sample = SegDataSample(metainfo=_shapes(tuple(images.shape[2:])))
        classes, masks = model.decode_head(model.extract_feat(images), [sample] * len(images))
        return [*classes, *masks]


def randomize(model: nn.Module, task: Task, images: torch.Tensor) -> nn.Module:
    """Moves all normalisation away from the identity, so that a channel in the wrong place changes the outputs.

    Batch normalisation takes the statistics of `images`: with those of a new network signals fade on their way through
    random layers, and no output shows what happened to them.
    """
    batch_norms = [module for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    for module in [*batch_norms, *(m for m in model.modules() if isinstance(m, (nn.LayerNorm, nn.GroupNorm)))]:
        nn.init.uniform_(module.weight, 0.5, 1.5)
        nn.init.uniform_(module.bias, -0.5, 0.5)
    usual = [(module, module.training, module.momentum) for module in batch_norms]
    for module in batch_norms:
        module.training, module.momentum = True, 1.0
    with torch.no_grad():
        task.forward(model, images)
    for module, training, momentum in usual:
        module.training, module.momentum = training, momentum
    return model


def missing(model: ZooModel) -> str:
    """Returns why the model cannot be built here, empty if it can."""
    for module in model.needs:
        try:
            import_module(module)
        except ImportError as error:
            hint = "install mmpretrain" if module == "mmpretrain" else "run `make test-ops`"
            return f"{model.name} needs {module} ({error}): {hint}"
    return ""


def _segmentation_config(member: str, meta: DatasetMeta) -> dict[str, Any]:
    return MMSegZoo(options=Options(), member=member).config(meta)


def _detection_config(member: str, meta: DatasetMeta) -> dict[str, Any]:
    from mmengine.config import Config

    folder = Path(os.fspath(find_spec("mmdet").origin)).parent / ".mim" / "configs"
    config = _without_pretrained(Config.fromfile(folder / f"{member}.py").model.to_dict())
    # Resizing between iterations belongs to the training set-up.
    config["data_preprocessor"].pop("batch_augments", None)
    return config


def _without_pretrained(value: Any) -> Any:
    if isinstance(value, dict):
        pretrained = {key for key, item in value.items() if isinstance(item, dict) and "checkpoint" in item}
        return {key: _without_pretrained(item) for key, item in value.items() if key not in pretrained}
    return [_without_pretrained(item) for item in value] if isinstance(value, list) else value


def _shapes(size: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return dict.fromkeys(("img_shape", "ori_shape", "batch_input_shape"), size)


def _label_map(size: tuple[int, int], classes: int, generator: torch.Generator) -> Any:
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    labels = torch.randint(classes, (1, size[0] // 16, size[1] // 16), generator=generator)
    labels = labels.repeat_interleave(16, dim=1).repeat_interleave(16, dim=2)
    sample = SegDataSample(metainfo=_shapes(size))
    sample.gt_sem_seg = PixelData(data=labels)
    sample.gt_edge_map = PixelData(data=(labels != labels.roll(1, dims=2)).long())
    return sample


SEGMENTATION = Family(
    task=Segmentation, config=_segmentation_config, sample=_label_map, classes=CITYSCAPES_CLASSES, package="mmseg"
)
QUERIES = Family(
    task=QuerySegmentation, config=_segmentation_config, sample=_label_map, classes=CITYSCAPES_CLASSES, package="mmseg"
)
DETECTION = Family(
    task=Detection, config=_detection_config, sample=labelled_boxes, classes=COCO_CLASSES, package="mmdet"
)


FAMILIES = {"segmentation": SEGMENTATION, "queries": QUERIES, "detection": DETECTION}


def _zoo() -> tuple[ZooModel, ...]:
    entries = yaml.safe_load(LIST.read_text(encoding="utf-8"))
    return tuple(_listed(family, **entry) for family, models in entries.items() for entry in models)


def _listed(family: str, *, needs: Sequence[str] = (), size: int = 64, fixed: bool = False, **entry: Any) -> ZooModel:
    sizes = (size, size), (size, size) if fixed else (size + 32, size + 64)
    required = COMPILED if family == "detection" else tuple(needs)
    return ZooModel(family=FAMILIES[family], sizes=sizes, needs=required, **entry)


ZOO = _zoo()
