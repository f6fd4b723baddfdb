"""`bench show`: a cell's predictions as pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli import options
from harness.cli.cell_choice import choose_cell
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.plan.picture import PictureJob
    from harness.registry import Registry

DROPS = "iou_drops.png"


def show(
    cell: Annotated[str, typer.Argument(help="A cell's name, its pipeline, or a part of it that no other has.")],
    results: Annotated[Path, typer.Argument(help="A results folder, or a parent of several.")] = Path("results"),
    images: Annotated[
        str | None, typer.Option("--images", help="Numbers of samples, e.g. 0,3,7; default: --samples of them.")
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            "--samples", min=1, help="How many, spread evenly over the split.  [default: 4]", show_default=False
        ),
    ] = None,
    split: Annotated[
        Literal["train", "val", "test"] | None,
        typer.Option("--split", help="Which split; default: the one that reports use.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the pictures.  [default: RESULTS/pictures/<cell>]", show_default=False),
    ] = None,
    device: options.Device = "auto",
    data_root: options.DataRoot = None,
) -> None:
    """Paint what a cell's baseline and compressed model predict, and where they differ, as PNG files.

    Input, label, both predictions and their disagreement stand side by side; a further picture shows what each class
    has lost.
    """
    from tempfile import TemporaryDirectory

    from harness.execution.pictures import picture_job
    from harness.registry import discover
    from harness.report.drops import draw_drops
    from harness.store.output_folder import output_folder
    from harness.store.slug import slug

    if images is not None and samples is not None:
        message = "--samples: --images says already which samples are shown"
        raise UserError(message, "Give one of the two.")
    numbers = _numbers(images)
    options.check_device(device)
    inspection, found = choose_cell(cell, results)
    registry = discover()
    folder = out or inspection.layout.pictures / slug(found.name)
    with TemporaryDirectory(prefix="bench-show-") as work:
        job = picture_job(
            inspection, found, registry, images=numbers, samples=samples or 4, split=split, work=Path(work), out=folder,
            device=device, root=data_root,
        )  # fmt: skip
        _warn_of_changed_data(job, registry)
        with output_folder(folder):
            names = _painted(job)
        for name in names:
            typer.echo(str(folder / name))
    if found.record is not None and draw_drops(found.record, folder / DROPS):
        typer.echo(str(folder / DROPS))


def _numbers(text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    names = options.names_of(text)
    if not names or not all(name.isdecimal() for name in names):
        message = f"--images: {text!r} is no list of numbers"
        raise UserError(message, "Write e.g. --images 0,3,7; the first sample is 0.")
    return tuple(dict.fromkeys(int(name) for name in names))


def _warn_of_changed_data(job: PictureJob, registry: Registry) -> None:
    from harness.execution.pictures import changed_data

    if changed_data(job, registry):
        name = job.fields.parameters["dataset"]["name"]
        typer.echo(f"warning: data set {name} is not today what the cell was evaluated on", err=True)


def _painted(job: PictureJob) -> list[str]:
    """Returns the names of the pictures; a terminal shows how far they are."""
    from rich.console import Console
    from rich.markup import escape

    from harness.execution.messages import ProgressMessage
    from harness.execution.pictures import paint

    with Console(stderr=True).status("starting") as status:

        def told(message: ProgressMessage) -> None:
            status.update(escape(f"{message.text} {message.done}/{message.total}"))

        return [file.name for file in paint(job, told)]
