"""The commands that carry a benchmark out up to one stage: the flags of `bench run`, and a table of what was made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import typer

from harness.cli import options
from harness.cli.commands.run import run
from harness.cli.exits import INTERRUPTED, SOME_CELL_FAILED
from harness.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from harness.execution.run import RunOutcome
    from harness.execution.stage_results import StageResult
    from harness.plan.goal import Goal
    from harness.plan.plan import Plan
    from harness.plan.stage import Stage

_OF_RUNS = ("expect_failures", "dry_run")
"""Flags of `bench run` that are about whole cells."""


def single_step(goal: Goal, text: str, *, methods_required: bool = True) -> Callable[..., None]:
    """Returns a command that carries a benchmark out up to `goal`.

    Args:
        goal: How far; also the command's name.
        text: The command's help.
        methods_required: Whether a benchmark without methods, which has nothing but baselines, is a mistake.
    """

    def command(**given: Any) -> None:
        _carry_out(goal, given, methods_required=methods_required)

    shared = inspect.signature(run, eval_str=True)
    flags = [flag for name, flag in shared.parameters.items() if name not in _OF_RUNS]
    as_json = inspect.Parameter("as_json", flags[-1].kind, default=False, annotation=options.Json)
    command.__signature__ = shared.replace(parameters=[*flags, as_json])  # type: ignore[attr-defined]
    command.__name__, command.__doc__ = goal, text
    return command


def _carry_out(goal: Goal, given: Mapping[str, Any], *, methods_required: bool) -> None:
    from dataclasses import replace

    from rich.console import Console

    from harness.cli.cell_roles import tell_of_controls
    from harness.cli.config_files import warn_of_code
    from harness.cli.run_request import requested
    from harness.execution.run import carry_out
    from harness.execution.stage_results import stage_results
    from harness.plan.goal import stages_towards
    from harness.store.layout import Layout

    request = requested(given, methods_required=methods_required)
    plan, layout = request.plan, Layout(request.folder)
    wanted = stages_towards(goal, plan.stages)
    _require_reached(given["force"], goal, wanted)
    warn_of_code(model.name for model in plan.benchmark.models)
    console = Console(stderr=given["as_json"])
    tell_of_controls(plan, console)
    outcome = carry_out(plan, layout, replace(request.settings, goal=goal), console)
    results = stage_results(wanted, layout, outcome)
    if given["as_json"]:
        _print_json(goal, layout.root, results, outcome)
    else:
        _print(goal, plan, layout.root, results, outcome, console)
    if outcome.interrupted:
        raise typer.Exit(INTERRUPTED)
    if any(result.state in ("failed", "blocked") for result in results):
        raise typer.Exit(SOME_CELL_FAILED)


def _require_reached(force: str | None, goal: Goal, wanted: Sequence[Stage]) -> None:
    """Looks whether the stages that are to run again are among those that the command comes to.

    Raises:
        UserError: It names one that is not.
    """
    kinds = list(dict.fromkeys(stage.kind for stage in wanted))
    for kind in options.names_of(force):
        if kind not in (*kinds, "all"):
            message = f"--force {kind}: `bench {goal}` comes to no such stage here"
            raise UserError(message, f"Its stages are: {', '.join(kinds)}.")


def _print_json(goal: Goal, folder: Path, results: Sequence[StageResult], outcome: RunOutcome) -> None:
    import json

    stages = [result.as_json() for result in results]
    content = {"command": goal, "results": str(folder), "interrupted": outcome.interrupted, "stages": stages}
    typer.echo(json.dumps(content, indent=2))


def _print(
    goal: Goal, plan: Plan, folder: Path, results: Sequence[StageResult], outcome: RunOutcome, console: Console
) -> None:
    from harness.cli.stage_table import print_stages

    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    primaries = [metric.name for metric in plan.primaries.values()]
    console.print()
    print_stages(console, results, list(dict.fromkeys([*primaries, *(metric.name for metric in plan.task.metrics)])))
    say(f"Results: {folder}")
    if outcome.interrupted:
        say("Interrupted: the same command goes on where this one stopped.", "yellow")
        return
    left = sum(result.state in ("interrupted", "never_run") for result in results)
    if left:
        say(f"{left} of {len(results)} stages are not done; the same command goes on.", "yellow")
    elif not outcome.executed:
        say(f"Nothing to do: all {len(results)} stages of `bench {goal}` are settled.")
    failed = [result for result in results if result.failure is not None]
    for result in failed:
        assert result.failure is not None
        say(f"{result.label} ({result.subject}) failed: {result.failure.kind}: {result.failure.message}", "red")
        for line in (result.failure.hint, f"log: {folder / result.failure.log}" if result.failure.log else ""):
            say(f"  {line}" if line else "")
