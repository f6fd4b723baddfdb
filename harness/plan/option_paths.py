"""Options that say where files lie: relative to what. Without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from harness.plan.expansion import choose_task
from harness.registry import Plugin, Registry
from harness.spec.benchmark import Benchmark, PluginChoice

_Chosen = TypeVar("_Chosen", bound=PluginChoice)


def with_option_paths_below(benchmark: Benchmark, folders: Mapping[str, Path], registry: Registry) -> Benchmark:
    """Returns the benchmark with a folder in front of those options that say where files lie and are relative.

    What `Benchmark.with_paths_below` does for checkpoints, for options of plugins; see `Options.path_options`.

    Args:
        benchmark: The benchmark.
        folders: What paths are relative to, by the key that holds them: `models` and `datasets`.
        registry: All plugins.

    Raises:
        UserError: A name is wrong.
    """
    if not any(choice.options for choice in (*benchmark.models, *benchmark.datasets)):
        return benchmark
    task = choose_task(benchmark, registry).name
    models = [_below(choice, registry.model(task, choice.name)[0], folders["models"]) for choice in benchmark.models]
    datasets = [
        _below(choice, registry.dataset(task, choice.name), folders["datasets"]) for choice in benchmark.datasets
    ]
    return benchmark.model_copy(update={"models": tuple(models), "datasets": tuple(datasets)})


def _below(choice: _Chosen, plugin: Plugin[Any], folder: Path) -> _Chosen:
    names: frozenset[str] = plugin.descriptor.options.path_options
    written = {name: value for name, value in choice.options.items() if name in names and isinstance(value, str)}
    placed = {name: str(folder.absolute() / Path(value).expanduser()) for name, value in written.items() if value}
    # Made anew, not copied: options are the choice's extra keys.
    return type(choice).model_validate({**choice.model_dump(exclude_unset=True), **placed}) if placed else choice
