"""Where the data set of a cell lies today: no record says it, the benchmark of the last run does."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.execution.inspection import InspectedCell, Inspection
from harness.plan.data_root import ROOT, data_root, has_root
from harness.registry import DatasetDescriptor, Plugin
from harness.spec.benchmark_file import load_benchmark
from harness.store.layout import Layout


def data_paths(
    inspection: Inspection,
    found: InspectedCell,
    dataset: str,
    plugin: Plugin[DatasetDescriptor],
    root: Path | None = None,
) -> dict[str, str]:
    """Returns the options of a data set that say where its files lie; see `Options.path_options`.

    Args:
        inspection: The results folder.
        found: A cell on the data set.
        dataset: What its record calls the data set.
        plugin: The data set.
        root: Where it lies now, if that is not what the last run was told.

    Raises:
        UserError: It lies in a folder and nothing says which, or `root` is none.
    """
    planned = [cell.planned for cell in (found, *inspection.cells) if cell.planned is not None]
    known = [
        dict(cell.points[0].evaluated.paths.get("dataset", {})) for cell in planned if cell.cell.dataset == dataset
    ]
    if root is not None:
        before = known[0] if known else _written(inspection.layout, dataset, plugin)
        return {**before, ROOT: str(data_root(root, plugin))}
    if known or not has_root(plugin):
        return known[0] if known else {}
    # The problem of the plan comes behind those of the records.
    why = inspection.problems[-1] if inspection.standings is None else "the last run did not ask for it"
    message = f"{found.name}: where data set {dataset} lies is not known: {why}"
    raise UserError(message, "Give --data-root FOLDER.")


def _written(layout: Layout, dataset: str, plugin: Plugin[DatasetDescriptor]) -> dict[str, str]:
    """Returns what the benchmark of the last run has written, even if it cannot be planned any more."""
    try:
        datasets = load_benchmark(layout.benchmark).datasets
    except UserError:  # then there is only what the user says
        return {}
    options = next((data.options for data in datasets if data.name == dataset), {})
    return {name: str(options[name]) for name in plugin.descriptor.options.path_options if options.get(name)}
