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
    data_root: options.DataRoot = None,
    methods: options.Methods = None,
    ratios: options.Ratios = None,
    ratio_of: options.RatioOf = None,
    precisions: options.Precisions = None,
    pipelines: options.Pipelines = None,
    controls: options.Controls = None,
    no_controls: options.NoControls = False,
    protect: options.Protect = None,
    seeds: options.Seeds = None,
    protocol: options.Protocol = None,
    oracle_samples: options.OracleSamples = None,
    oracle_layers: options.OracleLayers = None,
    deterministic: options.Deterministic = None,
    assignments: options.Assignments = None,
    checkpoint: options.Checkpoint = None,
    trust_checkpoint: options.TrustedCheckpoints = None,
    out: options.Out = None,
    visualizer: options.Visualizers = None,
    workers: options.Workers = 1,
    loader_workers: options.LoaderWorkers = 0,
    device: options.Device = "auto",
    limit: options.Limit = None,
    skip_existing: options.Skip = True,
    retry: options.Retry = "interrupted",
    force: options.Force = None,
    timeout: options.Timeout = None,
    fail_fast: options.FailFast = False,
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
    from harness.cli.conclusion import conclude, expectations_of
    from harness.cli.run_request import requested

    request = requested(given)
    plan, forced = request.plan, request.settings.force
    expectations = expectations_of(expect_failures, plan)
    if dry_run:
        from harness.cli.commands.plan import show_plan

        show_plan(plan, request.folder, retry=retry, force=forced, as_json=False)
        return
    from rich.console import Console

    from harness.cli.cell_roles import tell_of_controls
    from harness.cli.config_files import warn_of_code
    from harness.execution.run import carry_out
    from harness.store.layout import Layout

    warn_of_code(model.name for model in plan.benchmark.models)
    console = Console()
    tell_of_controls(plan, console)
    outcome = carry_out(plan, Layout(request.folder), request.settings, console)
    conclude(outcome, plan, expectations, request.folder, console, forced=forced is not None)
