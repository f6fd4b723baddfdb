"""`bench plan`: what a run would do, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.cli import options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from harness.plan.plan import Plan
    from harness.plan.stage import Stage


def plan(
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
    out: options.Out = None,
    device: options.Device = "auto",
    limit: options.Limit = None,
    skip_existing: options.Skip = True,
    retry: options.Retry = "interrupted",
    force: options.Force = None,
    disable: options.Disable = None,
    as_json: options.Json = False,
) -> None:
    """Show what `bench run` would do with this grid, why, and for how long.

    `bench run --dry-run` shows the same and takes all flags of a run.
    """
    given = locals()
    from harness.cli.force import force_rule
    from harness.cli.planning import plan_of

    made, folder = plan_of(
        benchmark,
        options.grid_flags(given),
        assignments,
        checkpoint=checkpoint,
        data_root=data_root,
        out=out,
        device=device,
        limit=limit,
        disabled=options.names_of(disable),
    )
    show_plan(made, folder, retry=retry, force=force_rule(force, skip_existing=skip_existing), as_json=as_json)


def show_plan(plan: Plan, folder: Path, *, retry: str, force: Callable[[Stage], bool] | None, as_json: bool) -> None:
    """Prints a plan as a table or as JSON."""
    from harness.cli.retry import retry_rule
    from harness.execution.preview import preview
    from harness.store.layout import Layout

    shown = preview(plan, Layout(folder), retry=retry_rule(retry), force=force)
    if as_json:
        import json

        import typer

        from harness.cli.cell_roles import warn_of_left_out

        warn_of_left_out(plan)
        typer.echo(json.dumps({"results": str(folder), **shown.as_json()}, indent=2))
        return
    from rich.console import Console

    from harness.cli.cell_roles import tell_of_controls
    from harness.cli.preview_table import print_preview

    console = Console()
    print_preview(console, shown)
    tell_of_controls(plan, console)
    console.print(f"{shown.sentence()}  Results: {folder}", markup=False, highlight=False, soft_wrap=True)
