"""`bench datasets`: look at data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

datasets_app = typer.Typer(help="Look at data sets.", no_args_is_help=True, rich_markup_mode=None)


@datasets_app.callback()
def _datasets() -> None:
    pass


@datasets_app.command()
def export(
    name: Annotated[str, typer.Argument(help="Data set, e.g. digits.")],
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    samples: Annotated[int, typer.Option("--samples", min=1, help="Samples of each split.")] = 24,
    task: Annotated[str, typer.Option("--task", help="Task whose data set it is.")] = "segmentation",
) -> None:
    """Write samples of a generated data set to disk, so that people can look at them."""
    from rich.progress import Progress

    from harness.errors import UserError
    from harness.registry import Dataset, discover, load_implementation, validate_options

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder}: not an empty folder"
        raise UserError(message, "Name a new folder, or empty this one.")
    plugin = discover().dataset(task, name)
    options = validate_options(plugin, {}, where=f"data set {name}")
    dataset: Dataset[Any] = load_implementation(plugin)(options=options)
    with Progress(transient=True) as progress:
        row = progress.add_task(f"exporting {name}", total=None)
        dataset.export(folder, samples, lambda done, total: progress.update(row, completed=done, total=total))
    typer.echo(f"Wrote {samples} samples of each split to {folder}")
