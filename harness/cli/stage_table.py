"""What stages made, as a table in the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.cli.cell_table import print_cells

if TYPE_CHECKING:
    from rich.console import Console

    from harness.execution.stage_results import StageResult

_STYLES = {"complete": "", "failed": "red", "blocked": "red"}
_KILO, _MEGA, _GIGA = 1e3, 1e6, 1e9
_WRITTEN = {"params": "params", "macs": "MACs"}
_SHOWN_METRICS = 4


def print_stages(console: Console, results: Sequence[StageResult], metrics: Sequence[str]) -> None:
    """Prints a table with one row a stage.

    Args:
        console: Where to.
        results: What the stages made.
        metrics: Names of the task's metrics, the most important first; the first few are shown.
    """
    subjects = {result.subject for result in results}
    rows = [
        (
            result.label,
            *([result.subject] if len(subjects) > 1 else []),
            _state(result),
            ", ".join(_figures(result, metrics)),
            result.artifact or "",
        )
        for result in results
    ]
    headings = ("stage", *(["of"] if len(subjects) > 1 else []), "state", "figures", "artifact")
    styles = [_STYLES.get(result.state, "yellow") for result in results]
    title = subjects.pop() if len(subjects) == 1 else ""
    print_cells(console, headings, rows, styles, title=title, whole=("artifact",))


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
            yield f"{name} {_number(found[name])}"
        yield f"on {figures['split']}"
    if "ratio" in figures:
        yield f"latency x{figures['ratio']:.3f} [{figures['ratio_low']:.3f}, {figures['ratio_high']:.3f}]"
        yield f"{figures['verdict']} on {figures['device']}"
    if "samples" in figures and result.kind == "oracle":
        yield f"{', '.join(figures['layers'])} on {figures['samples']} images of {figures['split']}"
    if "reconstruction_mse" in figures:
        yield f"reconstruction MSE {_number(figures['reconstruction_mse'])}"
    if "iterations" in figures:
        yield f"{figures['iterations']} iterations"
    if "loss" in figures:
        yield f"loss {_number(figures['loss'])}"
    removed: dict[str, Any] = figures.get("removed", {})
    yield from (f"{_WRITTEN.get(name, name)} -{value:.1%}" for name, value in removed.items() if value is not None)
    yield from (f"{_count(figures[name])} {_WRITTEN[name]}" for name in _WRITTEN if name in figures)


def _number(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.4g}"


def _count(value: int) -> str:
    for name, unit in (("G", _GIGA), ("M", _MEGA)):
        if value >= unit:
            return f"{value / unit:.3g} {name}"
    return f"{value / _KILO:.3g} k"
