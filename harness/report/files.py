"""Report formats that are files: written below a folder, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import PluginError
from harness.registry import Plugin, ReportFormatDescriptor, load_implementation
from harness.registry.report import ReportFiles
from harness.report.collection import Run
from harness.spec.benchmark_file import load_benchmark
from harness.store.atomic import write_text
from harness.store.layout import Layout
from harness.store.output_folder import make_output_folder, writing_to


def writes_files(plugin: Plugin[ReportFormatDescriptor]) -> bool:
    """Returns whether a format is files."""
    implementation = load_implementation(plugin)
    return isinstance(implementation, type) and issubclass(implementation, ReportFiles)


def write_files(plugin: Plugin[ReportFormatDescriptor], runs: Sequence[Run], folder: Path | None) -> list[Path]:
    """Writes a format's files and returns where they are.

    Args:
        plugin: The format.
        runs: What is reported on; of several, each has a folder of its own name.
        folder: Where to; default: a folder of the format's name in each results folder.

    Raises:
        PluginError: The format fails, or names a file outside of its folder.
        UserError: The folder cannot be made or written to.
    """
    written = []
    for run in runs:
        named = folder if folder is None or len(runs) == 1 else folder / run.folder.name
        target = named or run.folder / plugin.name
        make_output_folder(target)
        cells = [record.model_dump(mode="json") for record in run.records]
        for name, text in sorted(_files(plugin, cells, _benchmark(run.folder)).items()):
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or not path.parts:
                message = f"report format {plugin.name!r} of {plugin.distribution} names the file {name!r}"
                raise PluginError(message, f"Files must lie below the folder; mend {plugin.distribution}.")
            file = target.joinpath(*path.parts)
            with writing_to(target):
                write_text(file, text)
            written.append(file)
    return written


def _files(
    plugin: Plugin[ReportFormatDescriptor], cells: Sequence[Mapping[str, Any]], benchmark: Mapping[str, Any]
) -> Mapping[str, str]:
    try:
        found: Mapping[str, str] = load_implementation(plugin)().files(cells, benchmark)
    except Exception as error:  # a plugin may fail in any way, and must be named when it does
        message = f"report format {plugin.name!r} of {plugin.distribution} failed: {type(error).__name__}: {error}"
        raise PluginError(message, f"Choose another --format, or mend {plugin.distribution}.") from error
    return found


def _benchmark(folder: Path) -> Mapping[str, Any]:
    """Returns what the last run was asked for; nothing where that is not known any more."""
    path = Layout(folder).benchmark
    return load_benchmark(path).model_dump(mode="json") if path.is_file() else {}
