"""How many cells are controls, how to go without, and which cannot be had."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from harness.plan.cell import PlannedCell
    from harness.plan.plan import Plan


def tell_of_controls(plan: Plan, console: Console) -> None:
    """Prints what there is to say of the plan's controls; nothing where it has none and misses none."""
    text = role_sentence(plan.cells, automatic=plan.benchmark.controls is None)
    if text:
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    warn_of_left_out(plan)


def warn_of_left_out(plan: Plan) -> None:
    """Says on the error stream which automatic controls cannot be drawn."""
    for text in plan.controls_left_out:
        typer.echo(f"warning: {text}", err=True)


def role_sentence(cells: Sequence[PlannedCell], *, automatic: bool) -> str:
    """Returns how many of the cells are controls, and how to leave them out; empty if none is.

    Args:
        cells: Of the plan.
        automatic: Whether nobody has asked for the controls.
    """
    roles = Counter(planned.cell.role for planned in cells)
    if not roles["control"]:
        return ""
    parts = " and ".join(_counted(roles[role], role) for role in ("candidate", "control") if roles[role])
    hint = " (--no-controls leaves these out)" if automatic else ""
    return f"{_counted(len(cells), 'cell')}: {parts}{hint}."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
