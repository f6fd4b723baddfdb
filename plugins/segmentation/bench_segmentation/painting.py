"""Segmentation as pictures: label maps in the colours of their classes, and where two predictions differ."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from bench_segmentation.palette import colours_of
from harness.registry.picture import Panel, Picture, Swatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from harness.registry.dataset import DatasetMeta
    from harness.registry.task import Batch

IGNORED = Swatch(label="ignored", colour=(255, 255, 255))
"""No palette of ours has white, which reads as nothing."""

BROKEN = Swatch(label="only the baseline is right", colour=(222, 45, 38))
MENDED = Swatch(label="only the compressed is right", colour=(49, 130, 189))
CHANGED = Swatch(label="both wrong, differently", colour=(254, 196, 79))
AGREED = Swatch(label="both the same (dimmed)", colour=(150, 150, 150))
"""Told apart with every colour vision; the colour of agreement stands for the dimmed image."""

_DIMMED, _DARK = 0.55, 0.2
_LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
_PAIR = 2
_NO_CLASS = -1


def paint(models: Mapping[str, nn.Module], batch: Batch, meta: DatasetMeta) -> list[Picture]:
    """Returns a picture of each sample; see `harness.registry.task.Task.paint`.

    Inputs are uint8 [3, H, W] in BGR order, as all loaders of this plugin give them. Predictions are compared with
    labels where the evaluation does it; an input of another size is shown at that of its labels.
    """
    predictions = {name: _predicted(model, batch) for name, model in models.items()}
    pictures = []
    for position, (image, sample) in enumerate(zip(batch["inputs"], batch["data_samples"], strict=True)):
        label = sample.gt_sem_seg.data.squeeze(0).cpu().numpy().astype(np.int64)
        shown = resized(np.ascontiguousarray(image.cpu().numpy()[::-1].transpose(1, 2, 0)), label.shape)
        maps = {name: resized(found[position], label.shape) for name, found in predictions.items()}
        pictures.append(_picture(_sample_name(sample), shown, label, maps, meta))
    return pictures


def coloured(labels: NDArray[np.int64], meta: DatasetMeta) -> NDArray[np.uint8]:
    """Returns a label map [H, W] in the colours of its classes [H, W, 3]; what is no class is painted as ignored."""
    colours = colours_of(meta)
    palette, classes = np.array([*colours, IGNORED.colour], dtype=np.uint8), len(colours)
    painted: NDArray[np.uint8] = palette[np.where((labels >= 0) & (labels < classes), labels, classes)]
    return painted


def disagreement(
    image: NDArray[np.uint8],
    label: NDArray[np.int64],
    baseline: NDArray[np.int64],
    other: NDArray[np.int64],
    meta: DatasetMeta,
) -> NDArray[np.uint8]:
    """Returns where two predictions differ, in the colours of `BROKEN`, `MENDED` and `CHANGED`.

    Elsewhere the image [H, W, 3] shows through in grey, dark where its pixels are ignored.
    """
    counted, differs = _counted(label, meta), baseline != other
    grey = np.repeat((image @ np.array(_LUMINANCE))[..., None], 3, axis=2)
    painted: NDArray[np.uint8] = (grey * np.where(counted, _DIMMED, _DARK)[..., None]).astype(np.uint8)
    painted[counted & differs & (baseline == label)] = BROKEN.colour
    painted[counted & differs & (other == label)] = MENDED.colour
    painted[counted & differs & (baseline != label) & (other != label)] = CHANGED.colour
    return painted


def resized(pixels: NDArray[Any], size: Sequence[int]) -> NDArray[Any]:
    """Returns an image or a map at another (height, width), by its nearest pixels."""
    if tuple(pixels.shape[:2]) == tuple(size):
        return pixels
    rows, columns = (
        (np.arange(wanted) * given // wanted) for wanted, given in zip(size, pixels.shape[:2], strict=True)
    )
    found: NDArray[Any] = pixels[rows[:, None], columns]
    return found


def _picture(
    name: str,
    image: NDArray[np.uint8],
    label: NDArray[np.int64],
    predictions: Mapping[str, NDArray[np.int64]],
    meta: DatasetMeta,
) -> Picture:
    counted = _counted(label, meta)
    labelled = np.where(counted, label, _NO_CLASS)  # the ignored label may have the number of a class
    panels = [Panel(title="input", pixels=image), Panel(title="label", pixels=coloured(labelled, meta))]
    for title, found in predictions.items():
        right = _share((found == label)[counted])
        panels.append(Panel(title=title, pixels=coloured(found, meta), note=f"{right} of pixels right"))
    if len(predictions) == _PAIR:
        baseline, other = predictions.values()
        pixels = disagreement(image, label, baseline, other, meta)
        note = f"{_share((baseline != other)[counted])} of pixels differ"
        panels.append(Panel(title="disagreement", pixels=pixels, note=note, key=(BROKEN, MENDED, CHANGED, AGREED)))
    return Picture(sample=name, panels=tuple(panels), legend=_legend([labelled, *predictions.values()], meta))


def _legend(maps: Sequence[NDArray[np.int64]], meta: DatasetMeta) -> tuple[Swatch, ...]:
    """Returns the classes that occur, the most frequent first, and ignored pixels if the label, `maps[0]`, has any."""
    counts = np.zeros(len(meta.classes), dtype=np.int64)
    for found in maps:
        inside = found[(found >= 0) & (found < len(counts))]
        counts += np.bincount(inside, minlength=len(counts))
    order = sorted(np.flatnonzero(counts), key=lambda index: -counts[index])
    colours = colours_of(meta)
    swatches = [Swatch(label=meta.classes[index], colour=colours[index]) for index in order]
    return (*swatches, *([IGNORED] if (maps[0] == _NO_CLASS).any() else []))


def _counted(label: NDArray[np.int64], meta: DatasetMeta) -> NDArray[np.bool_]:
    """Returns which pixels count: those that are labelled with a class."""
    counted: NDArray[np.bool_] = (label >= 0) & (label < len(meta.classes))
    return counted if meta.ignore_index is None else counted & (label != meta.ignore_index)


def _share(holds: NDArray[np.bool_]) -> str:
    return f"{holds.mean():.1%}" if holds.size else "none"


def _predicted(model: nn.Module, batch: Batch) -> list[NDArray[np.int64]]:
    """Returns the classes [H, W] that a model predicts, as its evaluation would have them."""
    network: Any = model
    with torch.inference_mode():
        found = network.test_step(deepcopy(batch))  # mmseg writes predictions into the samples that it is given
    return [sample.pred_sem_seg.data.squeeze(0).cpu().numpy().astype(np.int64) for sample in found]


def _sample_name(sample: Any) -> str:
    path = sample.metainfo.get("img_path")
    return Path(path).name if path else ""
