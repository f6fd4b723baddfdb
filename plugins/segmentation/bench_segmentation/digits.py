"""The digit scenes for segmentation: facts, loaders and export."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench_segmentation.descriptors import DigitsOptions
from harness.errors import DataError
from harness.registry.dataset import Dataset, DatasetMeta, LoaderRequest, Split

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BACKGROUND_WEIGHT = 0.4
"""Background is 88 % of the pixels. At much lower weights networks paint digits too wide."""


class Digits(Dataset[DigitsOptions]):
    """Scenes that are composed on the fly, so that training never sees one twice.

    Validation and test scenes depend on `scene_seed` alone: every run is judged by the same ones. Training
    and calibration scenes also depend on the seed of the request.
    """

    def meta(self) -> DatasetMeta:
        """Returns classes, sizes and the usual ImageNet statistics, which fit the photos."""
        from bench_digits import CLASSES, PALETTE

        return DatasetMeta(
            splits=("train", "val", "test"),
            input_size=(self.options.size, self.options.size),
            mean=(123.675, 116.28, 103.53),
            std=(58.395, 57.12, 57.375),
            classes=CLASSES,
            palette=PALETTE,
            ignore_index=255,
            class_weights=(BACKGROUND_WEIGHT,) + (1.0,) * (len(CLASSES) - 1),
        )

    def loader(self, request: LoaderRequest) -> dict[str, Any]:
        """Returns a loader config; in training the index of a scene is the global sample counter.

        The scenes of a training are drawn at random by their index already, so the sampler keeps the order
        and a resumed run continues where it was, with scenes that it has not seen.

        Raises:
            DataError: The split does not exist, or training does not say its number of iterations.
        """
        training = request.split == "train"
        return {
            "batch_size": request.batch_size,
            "num_workers": request.workers,
            "persistent_workers": request.workers > 0,
            "sampler": {"type": "InfiniteSampler" if request.shuffle else "DefaultSampler", "shuffle": False},
            "collate_fn": {"type": "pseudo_collate"},
            "dataset": {
                "type": "mmseg.DigitScenes",
                "split": request.split,
                "seed": self._seed(request.seed) if training else self.options.scene_seed,
                "size": self.options.size,
                "length": self._length(request),
                "augment": request.shuffle,
            },
        }

    def export(self, folder: Path, samples: int, progress: Callable[[int, int], None]) -> None:
        """Writes `images/<split>/NNNNN.png`, palette masks `masks/<split>/NNNNN.png` and `boxes.json`.

        Boxes are (left, top, right, bottom) in pixels by image path, with the class name of each.
        """
        from PIL import Image

        from bench_digits import CLASSES, SceneGenerator

        splits = self.meta().splits
        colours = [value for colour in _indexed_palette(self.meta()) for value in colour]
        boxes: dict[str, list[dict[str, Any]]] = {}
        for position, split in enumerate(splits):
            generator = SceneGenerator(split, self.options.scene_seed, self.options.size)
            for kind in ("images", "masks"):
                (folder / kind / split).mkdir(parents=True, exist_ok=True)
            for index in range(samples):
                scene = generator.scene(index)
                name = f"{split}/{index:05d}.png"
                Image.fromarray(scene.image).save(folder / "images" / name)
                mask = Image.fromarray(scene.mask)
                mask.putpalette(colours)
                mask.save(folder / "masks" / name)
                boxes[f"images/{name}"] = [
                    {"class": CLASSES[1 + int(digit)], "box": [float(edge) for edge in box]}
                    for box, digit in zip(scene.boxes, scene.labels, strict=True)
                ]
                progress(position * samples + index + 1, len(splits) * samples)
        (folder / "boxes.json").write_text(json.dumps(boxes, indent=1) + "\n", encoding="utf-8")

    def _seed(self, seed: int) -> int:
        """Returns a seed of training scenes that differs for every (scene seed, request seed)."""
        return (self.options.scene_seed << 32) + seed

    def _length(self, request: LoaderRequest) -> int:
        """Returns how many scenes the loader draws."""
        counts: dict[Split, int] = {
            "train": self.options.train,
            "val": self.options.val,
            "test": self.options.test,
        }
        if request.split not in counts:
            message = f"digits has no split {request.split!r}"
            raise DataError(message, f"It has: {', '.join(counts)}.")
        if request.shuffle:
            if request.iterations is None:
                message = "a training loader of digits needs the number of iterations"
                raise DataError(message, "Set LoaderRequest.iterations.")
            return request.iterations * request.batch_size
        count = counts[request.split]
        return count if request.samples is None else min(count, request.samples)


def _indexed_palette(meta: DatasetMeta) -> list[tuple[int, int, int]]:
    """Returns the 256 colours of a palette image: classes, grey filler, white for ignored pixels."""
    colours = [*meta.palette, *[(128, 128, 128)] * (256 - len(meta.palette))]
    if meta.ignore_index is not None:
        colours[meta.ignore_index] = (255, 255, 255)
    return colours
