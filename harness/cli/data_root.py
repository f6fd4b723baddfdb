"""`--data-root`: where the one data set of a benchmark lies."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.spec.benchmark import Benchmark


def with_data_root(benchmark: Benchmark, root: Path) -> Benchmark:
    """Returns the benchmark with the option `root` of its data set.

    Args:
        benchmark: The benchmark.
        root: The folder; relative to the working directory.

    Raises:
        UserError: The benchmark names no data set or several, or there is no such folder.
    """
    folder = root.expanduser().absolute()
    if len(benchmark.datasets) != 1:
        names = ", ".join(data.name for data in benchmark.datasets) or "none"
        message = f"--data-root: it is about one data set, and the benchmark names {names}"
        raise UserError(message, "Say --datasets NAME, or write `root:` of each into the benchmark file.")
    if not folder.is_dir():
        message = f"--data-root: there is no folder {root}"
        raise UserError(message, "Name the folder of the data set; `bench datasets verify` says how it must look.")
    (data,) = benchmark.datasets
    # Made anew, not copied: options are the choice's extra keys.
    rooted = type(data).model_validate({**data.model_dump(exclude_unset=True), "root": str(folder)})
    return benchmark.model_copy(update={"datasets": (rooted,)})
