"""How a run ends: what people read, and the exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from harness.cli.exits import INTERRUPTED, SOME_CELL_FAILED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from harness.execution.run import RunOutcome
    from harness.plan.plan import Plan
    from harness.spec.expected_failures import Expectation
    from harness.spec.failure_verdict import Verdict


def expectations_of(file: Path | None, plan: Plan) -> Sequence[Expectation]:
    """Returns the entries of a file of expected failures, fitted to a plan; none without a file.

    Raises:
        UserError: Something in the file is wrong, or an entry matches no cell of the benchmark.
    """
    from harness.plan.expansion import facts_of
    from harness.spec.expected_failures import fitted, load_expected_failures

    if file is None:
        return ()
    return fitted(load_expected_failures(file), [facts_of(cell) for cell in plan.asked], plan.methods)


def conclude(
    outcome: RunOutcome,
    plan: Plan,
    expectations: Sequence[Expectation],
    folder: Path,
    console: Console,
    *,
    forced: bool,
) -> None:
    """Prints the report of a run and what there is to say of its cells.

    Raises:
        typer.Exit: It was interrupted, or some cell failed (or passed) against what is expected of it.
    """
    from harness.cli.commands.report import show_report

    def say(text: str, style: str | None = None) -> None:
        console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

    if outcome.interrupted:
        complete = sum(record.status == "complete" for record in outcome.records)
        say(f"\nInterrupted: {complete} of {len(outcome.records)} cells are complete.", "yellow")
        if forced:
            say("The same command begins anew; without --force (or --no-skip-existing) it goes on with what is left.")
        else:
            say("The same command goes on where this one stopped.")
        raise typer.Exit(INTERRUPTED)
    left = sum(record.status in ("interrupted", "never_run") for record in outcome.records)
    if left:
        say(
            f"{left} of {len(outcome.records)} cells are not finished; the same command without --retry none goes on.",
            "yellow",
        )
    elif not outcome.executed:
        say(f"Nothing to do: all stages of the {len(outcome.records)} cells are settled in {folder}.")
    console.print()
    show_report(folder, console=console)
    say(f"\nResults: {folder}   (bench report {folder})")
    if outcome.failed:
        say(f"{len(outcome.failed)} of {len(outcome.records)} cells failed:", "red")
        for record in outcome.failed:
            failure = record.failure
            reason = f"{failure.kind}: {failure.message}" if failure else "unknown"
            say(f"  {record.cell} ({record.failed_stage}): {reason}")
        if all(record.failure is not None and record.failure.kind == "config_error" for record in outcome.failed):
            say("Mend what the messages name; every run tries them again.")
        else:
            say("Run again with --retry all (or --retry KIND) to try them once more.")
    verdict = _verdict(outcome, plan, expectations)
    if expectations:
        for line in verdict.lines():
            say(line)
    if not verdict.is_as_expected:
        raise typer.Exit(SOME_CELL_FAILED)


def _verdict(outcome: RunOutcome, plan: Plan, expectations: Sequence[Expectation]) -> Verdict:
    from harness.plan.expansion import facts_of
    from harness.spec.failure_verdict import CellOutcome, judge

    return judge(
        expectations,
        [
            CellOutcome(
                name=record.cell,
                facts=facts_of(planned.cell),
                status=record.status,
                kind=record.failure.kind if record.failure else None,
            )
            for planned, record in zip(plan.cells, outcome.records, strict=True)
        ],
    )
