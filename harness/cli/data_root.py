"""`--data-root`: where the one data set of a benchmark lies."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.plan.data_root import ROOT, data_root
from harness.plan.expansion import choose_task
from harness.registry import Registry
from harness.spec.benchmark import Benchmark


def with_data_root(benchmark: Benchmark, root: Path, registry: Registry) -> Benchmark:
    """Returns the benchmark with the option `root` of its data set.

    Args:
        benchmark: The benchmark.
        root: The folder; relative to the working directory.
        registry: All plugins.

    Raises:
        UserError: The benchmark names no data set or several, the data set has no such option, or there is no such
            folder.
    """
    if len(benchmark.datasets) != 1:
        names = ", ".join(data.name for data in benchmark.datasets) or "none"
        message = f"--data-root: it is about one data set, and the benchmark names {names}"
        raise UserError(message, "Say --datasets NAME, or write `root:` of each into the benchmark file.")
    (data,) = benchmark.datasets
    folder = data_root(root, registry.dataset(choose_task(benchmark, registry).name, data.name))
    # Made anew, not copied: options are the choice's extra keys.
    rooted = type(data).model_validate({**data.model_dump(exclude_unset=True), ROOT: str(folder)})
    return benchmark.model_copy(update={"datasets": (rooted,)})
