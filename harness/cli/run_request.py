"""From the flags of `bench run` to what is run, where and how; the single-step commands take the same flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.cli.checkpoints import trusted_checkpoints
from harness.cli.force import force_rule
from harness.cli.options import grid_flags, names_of
from harness.cli.planning import plan_of
from harness.cli.retry import retry_rule
from harness.execution.run import RunSettings
from harness.plan.plan import Plan
from harness.spec.visualizers import require_visualizers


@dataclass(frozen=True)
class RunRequest:
    """What flags ask for.

    Attributes:
        plan: What is run.
        folder: Where its results go.
        settings: How it is carried out.
    """

    plan: Plan
    folder: Path
    settings: RunSettings


def requested(given: Mapping[str, Any], *, methods_required: bool = True) -> RunRequest:
    """Returns what the arguments of a command ask for.

    Args:
        given: The arguments of `bench run` by name.
        methods_required: Whether a benchmark without methods is a mistake; without any there are only baselines.

    Raises:
        UserError: A mistake in a flag or in the benchmark file.
    """
    visualizers = require_visualizers(given["visualizer"] or [])
    disabled = names_of(given["disable"])
    plan, folder = plan_of(
        given["benchmark"],
        grid_flags(given),
        given["assignments"],
        checkpoint=given["checkpoint"],
        data_root=given["data_root"],
        out=given["out"],
        device=given["device"],
        limit=given["limit"],
        disabled=disabled,
        methods_required=methods_required,
    )
    settings = RunSettings(
        workers=given["workers"],
        device=given["device"],
        disabled=disabled,
        force=force_rule(given["force"], skip_existing=given["skip_existing"]),
        retry=retry_rule(given["retry"]),
        timeout=given["timeout"],
        fail_fast=given["fail_fast"],
        trusted=trusted_checkpoints(plan.benchmark, given["trust_checkpoint"] or []),
        visualizers=visualizers,
        loader_workers=given["loader_workers"],
    )
    return RunRequest(plan, folder, settings)
