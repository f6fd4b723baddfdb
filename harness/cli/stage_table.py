"""What stages made, as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.cell_table import number_text, print_cells

if TYPE_CHECKING:
    from rich.console import Console

    from harness.execution.stage_results import StageResult

_STYLES = {"complete": "", "failed": "red", "blocked": "red"}
_KILO, _MEGA, _GIGA = 1e3, 1e6, 1e9
_WRITTEN = {"params": "params", "macs": "MACs"}
_SHOWN_METRICS = 4


def print_stages(console: Console, results: Sequence[StageResult], metrics: Sequence[str]) -> None:
    """Prints a table of each model, data set and seed with one row a stage, and below it where the stages' models lie.

    The folders stand in no column: people copy them whole, and they would leave the figures no room.

    Args:
        console: Where to.
        results: What the stages made.
        metrics: Names of the task's metrics, the most important first; the first few are shown.
    """
    by_subject: dict[str, list[StageResult]] = {}
    for result in results:
        by_subject.setdefault(result.subject, []).append(result)
    for subject, found in by_subject.items():
        rows = [(result.label, _state(result), ", ".join(_figures(result, metrics))) for result in found]
        styles = [_STYLES.get(result.state, "yellow") for result in found]
        print_cells(console, ("stage", "state", "figures"), rows, styles, title=subject)
        for line in _artifacts(found):
            console.print(line, markup=False, highlight=False, soft_wrap=True)


def _artifacts(results: Sequence[StageResult]) -> Iterator[str]:
    """Yields a line for each model, the folder first, for labels may be long."""
    made = [(result.artifact, result.label) for result in results if result.artifact is not None]
    width = max((len(folder) for folder, _ in made), default=0)
    yield from (f"  {folder.ljust(width)}  {label}" for folder, label in made)


def _state(result: StageResult) -> str:
    if result.state == "complete":
        return "complete" if result.ran else "kept"
    return result.state.replace("_", " ")


def _figures(result: StageResult, metrics: Sequence[str]) -> Iterator[str]:
    figures = result.figures
    if result.failure is not None:
        yield f"{result.failure.kind}: {result.failure.message}"
    if result.blocked_by is not None:
        yield f"{result.blocked_by} failed"
    if "metrics" in figures:
        found = figures["metrics"]
        for name in [name for name in metrics if name in found][:_SHOWN_METRICS]:
            yield f"{name} {number_text(found[name])}"
        yield f"on {figures['split']}"
    if "ratio" in figures:
        yield f"latency x{figures['ratio']:.3f} [{figures['ratio_low']:.3f}, {figures['ratio_high']:.3f}]"
        yield f"{figures['verdict']} on {figures['device']}"
    if "samples" in figures and result.kind == "oracle":
        yield f"{', '.join(figures['layers'])} on {figures['samples']} images of {figures['split']}"
    if "reconstruction_mse" in figures:
        yield f"reconstruction MSE {number_text(figures['reconstruction_mse'])}"
    if "iterations" in figures:
        yield f"{figures['iterations']} iterations"
    if "loss" in figures:
        yield f"loss {number_text(figures['loss'])}"
    removed: dict[str, Any] = figures.get("removed", {})
    yield from (f"{_WRITTEN.get(name, name)} -{value:.1%}" for name, value in removed.items() if value is not None)
    yield from (f"{_count(figures[name])} {_WRITTEN[name]}" for name in _WRITTEN if name in figures)


def _count(value: int) -> str:
    for name, unit in (("G", _GIGA), ("M", _MEGA)):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value / _KILO:.3g} k"
