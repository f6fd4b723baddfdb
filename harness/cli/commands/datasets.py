"""`bench datasets`: look at data sets."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from harness.registry import DatasetDescriptor, Options, Plugin
    from harness.registry.verification import Verification

datasets_app = typer.Typer(help="Look at data sets.", no_args_is_help=True, rich_markup_mode=None)


Name = Annotated[str, typer.Argument(help="Data set, e.g. camvid.")]
Task = Annotated[str, typer.Option("--task", help="Task whose data set it is.")]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--option", "-o", metavar="KEY=VALUE", help="An option of the data set, e.g. layout=rgb."),
]

_SHOWN = 20


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
    from harness.registry import Dataset, discover, load_implementation, validate_options

    _require_empty(folder)
    plugin = discover().dataset(task, name)
    validated = validate_options(plugin, {}, where=f"data set {name}")
    dataset: Dataset[Any] = load_implementation(plugin)(options=validated)
    with _progress(f"exporting {name}") as advance:
        dataset.export(folder, samples, advance)
    typer.echo(f"Wrote {samples} samples of each split to {folder}")


@datasets_app.command()
def verify(
    name: Name,
    root: Annotated[Path | None, typer.Option("--root", help="Folder of the data set.")] = None,
    option: Assignments = None,
    task: Task = "segmentation",
    as_json: options.Json = False,
) -> None:
    """Look at every file of a data set on disk: is each there, whole, and labelled as it should be?

    Ends with 1 if something is wrong.
    """
    plugin, validated = _chosen(task, name, [*(option or []), *([f"root={root}"] if root is not None else [])])
    with _progress(f"verifying {name}") as advance:
        found = plugin.descriptor.verify(validated, advance)
    if as_json:
        import json
        from dataclasses import asdict

        typer.echo(json.dumps({"dataset": name, **asdict(found)}, indent=2))
    else:
        typer.echo("\n".join(_told(name, found)))
    if found.problems:
        raise typer.Exit(1)


@datasets_app.command()
def fixture(
    name: Name,
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    samples: Annotated[int, typer.Option("--samples", min=1, help="Samples of each split.")] = 12,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Equal seeds give equal files.")] = 0,
    option: Assignments = None,
    task: Task = "segmentation",
) -> None:
    """Write a small generated data set that lies on disk as the real one does, to try everything without it."""
    _require_empty(folder)
    plugin, validated = _chosen(task, name, option or [])
    with _progress(f"writing {name}") as advance:
        plugin.descriptor.write_fixture(validated, folder, samples, seed, advance)
    typer.echo(f"Wrote {samples} samples of each split to {folder}")
    typer.echo(f"Try: bench datasets verify {name} --root {folder}")


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how far a command is, on a terminal; gives what is called with (done, total)."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not console.is_terminal) as progress:
        row = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(row, completed=done, total=total)


def _require_empty(folder: Path) -> None:
    from harness.errors import UserError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder}: not an empty folder"
        raise UserError(message, "Name a new folder, or empty this one.")


def _chosen(task: str, name: str, assignments: list[str]) -> tuple[Plugin[DatasetDescriptor], Options]:
    """Returns a data set's plugin and its options from texts such as `layout=rgb`."""
    from harness.errors import UserError
    from harness.registry import discover, validate_options
    from harness.spec.yaml_document import read_yaml

    plugin = discover().dataset(task, name)
    written: dict[str, Any] = {}
    for assignment in assignments:
        key, equals, text = (part.strip() for part in assignment.partition("="))
        if not key or not equals:
            message = f"--option {assignment}: expected key=value"
            raise UserError(message, "for example --option layout=rgb")
        written[key] = text if key == "root" else read_yaml(text, f"--option {assignment}").data
    return plugin, validate_options(plugin, written, where=f"data set {name}")


def _told(name: str, found: Verification) -> list[str]:
    """Returns what people read: problems and what the folder must look like, or a summary."""
    counts = ", ".join(f"{split} {count}" for split, count in found.splits.items()) or "none"
    if not found.problems:
        return [f"{name} is complete: {counts} samples, every file read", f"fingerprint {found.fingerprint}"]
    number = "1 problem" if len(found.problems) == 1 else f"{len(found.problems)} problems"
    lines = [f"{name}: {number}; samples listed: {counts}"]
    lines += [f"- {problem}" for problem in found.problems[:_SHOWN]]
    if len(found.problems) > _SHOWN:
        lines.append(f"  and {len(found.problems) - _SHOWN} more; --json lists all")
    return [*lines, "", "It must look like this:", found.layout]
