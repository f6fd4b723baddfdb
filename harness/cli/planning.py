"""From flags to a plan and its results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.cli.checkpoints import with_checkpoint
from harness.cli.data_root import with_data_root
from harness.cli.options import check_device, keys_of_flags, make_benchmark, results_folder
from harness.plan.option_paths import with_option_paths_below
from harness.plan.plan import Plan, make_plan
from harness.registry import discover


def plan_of(
    file: Path | None,
    flags: dict[str, Any],
    assignments: list[str] | None,
    *,
    checkpoint: Path | None = None,
    data_root: Path | None = None,
    out: Path | None,
    device: str,
    limit: int | None,
    disabled: tuple[str, ...],
    methods_required: bool = True,
) -> tuple[Plan, Path]:
    """Returns the plan that file and flags ask for, and where its results go; see `make_plan`.

    Raises:
        UserError: A mistake in a flag or in the file.
    """
    check_device(device)
    benchmark, registry = make_benchmark(file, flags, assignments), discover(disabled=disabled)
    benchmark = with_option_paths_below(benchmark, _folders(file, flags, assignments), registry)
    if data_root is not None:
        benchmark = with_data_root(benchmark, data_root, registry)
    if checkpoint is not None:
        benchmark = with_checkpoint(benchmark, checkpoint, registry)
    plan = make_plan(benchmark, registry, device=device, limit=limit, methods_required=methods_required)
    return plan, results_folder(benchmark, out)


def _folders(file: Path | None, flags: dict[str, Any], assignments: list[str] | None) -> dict[str, Path]:
    """Returns what options that are paths are relative to, by the key that holds them."""
    by_flags = keys_of_flags(flags, assignments)
    keys = ("models", "datasets")
    return {key: Path.cwd() if file is None or key in by_flags else file.parent for key in keys}
