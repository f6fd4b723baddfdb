"""Samples of a cell's data set, painted by its task and written as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.runner import Runner
from torch.utils.data import IterableDataset

from harness.engine.artifact import load_model
from harness.engine.first_batch import open_loader, require_readable
from harness.engine.pictures.composition import compose
from harness.engine.seeding import algorithms, seeded
from harness.engine.workbench import Progress, Workbench, open_workbench
from harness.errors import UserError
from harness.plan.picture import PictureJob
from harness.registry import LoaderRequest, Split


def paint_samples(job: PictureJob, progress: Progress) -> list[Path]:
    """Returns the files that were written, `<split>_<number>.png` each, in the order that was asked for.

    Samples are those of one pass without augmentation, numbered from 0, whatever part of them was evaluated.

    Args:
        job: What is painted.
        progress: Called with (done, total, text).

    Raises:
        UserError: There is no such split or sample, or an artifact cannot be read.
        DataError: The data set or one of the samples is not as it should be.
        UnsupportedOperationError: The task paints nothing.
    """
    bench = open_workbench(job.stage, progress)
    split = _split(bench, job.split)
    request = LoaderRequest(split=split, batch_size=1)
    progress(0, 1, "opening the data set")
    loader = Runner.build_dataloader(open_loader(bench, request))
    numbers = _numbers(job, split, loader.dataset)
    progress(0, len(numbers), "loading the models")
    models = {name: load_model(path, bench.registry).model.to(bench.device).eval() for name, path in job.models.items()}
    job.out.mkdir(parents=True, exist_ok=True)
    files = []
    for done, number in enumerate(numbers, start=1):
        with seeded(0), algorithms(deterministic=bench.deterministic):
            batch = loader.collate_fn([loader.dataset[number]])
            if done == 1:
                require_readable(bench, request, batch, training=False)
            picture = bench.task.paint(models, batch, bench.meta)[0]
        heading = f"{bench.parameters['dataset']['name']} · {split} {number}"
        file = job.out / f"{split}_{number}.png"
        compose(picture, job.cell, f"{heading} · {picture.sample}" if picture.sample else heading, file)
        files.append(file)
        progress(done, len(numbers), "painting")
    return files


def _split(bench: Workbench, asked: Split | None) -> Split:
    if asked is None:
        return bench.meta.report_split
    if asked not in bench.meta.splits:
        name = bench.parameters["dataset"]["name"]
        message = f"--split: data set {name} has no split {asked!r} with labels"
        raise UserError(message, f"It has: {', '.join(bench.meta.splits)}.")
    return asked


def _numbers(job: PictureJob, split: Split, dataset: Any) -> Sequence[int]:
    if isinstance(dataset, IterableDataset):
        message = f"{job.cell}: its data set is a stream, whose samples have no numbers"
        raise UserError(message, "There is no way to choose some of them.")
    count = len(dataset)
    for number in job.images:
        if number >= count:
            message = f"--images: there is no sample {number}: split {split} has {count}"
            raise UserError(message, f"They are numbered from 0 to {count - 1}.")
    wanted = min(job.samples, count)
    return job.images or [place * count // wanted for place in range(wanted)]
