"""From flags to a plan and its results folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.cli.checkpoints import with_checkpoint
from harness.cli.options import check_device, make_benchmark, results_folder
from harness.plan.plan import Plan, make_plan
from harness.registry import discover


def plan_of(
    file: Path | None,
    flags: dict[str, Any],
    assignments: list[str] | None,
    *,
    checkpoint: Path | None = None,
    out: Path | None,
    device: str,
    limit: int | None,
    disabled: tuple[str, ...],
) -> tuple[Plan, Path]:
    """Returns the plan that file and flags ask for, and where its results go.

    Raises:
        UserError: A mistake in a flag or in the file.
    """
    check_device(device)
    benchmark, registry = make_benchmark(file, flags, assignments), discover(disabled=disabled)
    if checkpoint is not None:
        benchmark = with_checkpoint(benchmark, checkpoint, registry)
    plan = make_plan(benchmark, registry, device=device, limit=limit)
    return plan, results_folder(benchmark, out)
