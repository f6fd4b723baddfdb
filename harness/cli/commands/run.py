"""`bench run`: carry out a benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import options


def run(
    benchmark: options.BenchmarkFile = None,
    task: options.Task = None,
    models: options.Models = None,
    datasets: options.Datasets = None,
    methods: options.Methods = None,
    ratios: options.Ratios = None,
    ratio_of: options.RatioOf = None,
    precisions: options.Precisions = None,
    pipelines: options.Pipelines = None,
    controls: options.Controls = None,
    no_controls: options.NoControls = False,
    protect: options.Protect = None,
    seeds: options.Seeds = None,
    deterministic: options.Deterministic = None,
    assignments: options.Assignments = None,
    checkpoint: options.Checkpoint = None,
    trust_checkpoint: options.TrustedCheckpoints = None,
    out: options.Out = None,
    visualizer: options.Visualizers = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Stages to run at once.")] = 1,
    device: options.Device = "auto",
    limit: options.Limit = None,
    skip_existing: options.Skip = True,
    retry: options.Retry = "interrupted",
    force: options.Force = None,
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=1, help="Seconds a stage may take.", show_default="no limit")
    ] = None,
    fail_fast: Annotated[
        bool,
        typer.Option("--fail-fast/--keep-going", help="Stop at the first failure, or run what it leaves."),
    ] = False,
    expect_failures: Annotated[
        Path | None,
        typer.Option(
            "--expect-failures",
            metavar="FILE",
            help="YAML list of cells that are known to fail, each with a reason; strict: one that passes is wrong too.",
            show_default=False,
        ),
    ] = None,
    disable: options.Disable = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, like `bench plan`.")] = False,
) -> None:
    """Run a benchmark: train, compress, recover, evaluate, measure, report.

    What is complete in the results folder is kept, so the same command continues an interrupted run.
    Without models and data sets, the embedded demo ones are used.
    """
    given = locals()
    from harness.cli.checkpoints import trusted_checkpoints
    from harness.cli.conclusion import conclude, expectations_of
    from harness.cli.force import force_rule
    from harness.cli.planning import plan_of
    from harness.spec.visualizers import require_visualizers

    visualizers = require_visualizers(visualizer or [])
    plan, folder = plan_of(
        benchmark,
        options.grid_flags(given),
        assignments,
        checkpoint=checkpoint,
        out=out,
        device=device,
        limit=limit,
        disabled=options.names_of(disable),
    )
    trusted = trusted_checkpoints(plan.benchmark, trust_checkpoint or [])
    expectations = expectations_of(expect_failures, plan)
    forced = force_rule(force, skip_existing=skip_existing)
    if dry_run:
        from harness.cli.commands.plan import show_plan

        show_plan(plan, folder, retry=retry, force=forced, as_json=False)
        return
    from rich.console import Console

    from harness.cli.cell_roles import tell_of_controls
    from harness.cli.config_files import warn_of_code
    from harness.cli.retry import retry_rule
    from harness.execution.run import RunSettings, carry_out
    from harness.spec.config_path import is_config_path
    from harness.store.layout import Layout

    settings = RunSettings(
        workers=workers,
        device=device,
        disabled=options.names_of(disable),
        force=forced,
        retry=retry_rule(retry),
        timeout=timeout,
        fail_fast=fail_fast,
        trusted=trusted,
        visualizers=visualizers,
    )
    warn_of_code([model.name for model in plan.benchmark.models if is_config_path(model.name)])
    console = Console()
    tell_of_controls(plan, console)
    outcome = carry_out(plan, Layout(folder), settings, console)
    conclude(outcome, plan, expectations, folder, console, forced=forced is not None)
