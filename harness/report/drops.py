"""The picture of what a cell loses, class by class."""

from __future__ import annotations

from pathlib import Path

from harness.report.class_figures import class_figures, class_key
from harness.report.columns import MISSING
from harness.store.output_folder import make_output_folder, writing_to
from harness.store.record import CellRecord

FIGURE = "IoU"

_LOST, _GAINED, _FAINT, _INK = "#de2d26", "#3182bd", "#6b6b6b", "#1a1a1a"
_ROW, _FRAME, _WIDTH = 0.27, 1.55, 8.0
_LEAST_POINTS = 5.0
"""So that a change of nothing does not fill the picture."""


def class_drops(record: CellRecord) -> list[tuple[str, float | None, float | None]]:
    """Returns (class, baseline, last model) of each class, the largest loss first; those without a figure last.

    Args:
        record: A cell; one of a task without classes has none.
    """
    before = (record.baseline.metrics if record.baseline else None) or {}
    after = (record.steps[-1].metrics if record.steps else None) or {}
    names = class_figures([before, after]).get(FIGURE, [])
    found = [(name, before.get(class_key(FIGURE, name)), after.get(class_key(FIGURE, name))) for name in names]
    return sorted(found, key=lambda one: _change(one[1], one[2]))


def draw_drops(record: CellRecord, file: Path) -> bool:
    """Writes bars of the change of each class's IoU, and says whether there is any class.

    Args:
        record: A complete cell.
        file: Where to; its folder is created.

    Raises:
        UserError: It cannot be written there.
    """
    drops = class_drops(record)
    if not drops:
        return False
    from matplotlib.figure import Figure

    height = _FRAME + _ROW * len(drops)
    figure = Figure(figsize=(_WIDTH, height), dpi=120, facecolor="white")
    axes = figure.add_axes((0.24, 0.55 / height, 0.56, (height - _FRAME) / height))
    changes = [100 * (after - before) if None not in (before, after) else 0.0 for _, before, after in drops]  # type: ignore[operator]
    axes.barh(range(len(drops)), changes, color=[_LOST if change < 0 else _GAINED for change in changes], height=0.68)
    axes.axvline(0, color=_INK, linewidth=0.8)
    reach = max(_LEAST_POINTS, *(abs(change) for change in changes))
    axes.set_xlim(1.1 * min(changes) - 0.1 * reach, 1.1 * max(changes) + 0.1 * reach)
    axes.set_ylim(len(drops) - 0.5, -0.5)
    axes.set_yticks(range(len(drops)), [name for name, _, _ in drops], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e3e3e3", linewidth=0.6)
    axes.set_axisbelow(True)
    for edge in ("top", "right", "left"):
        axes.spines[edge].set_visible(False)
    axes.set_xlabel("change of IoU in points", color=_FAINT)
    for place, (_, before, after) in enumerate(drops):
        text = f"{_percent(before)} → {_percent(after)}"
        axes.annotate(
            text, (1.03, place), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=_FAINT
        )  # fmt: skip
    figure.text(0.03, 1 - 0.3 / height, "IoU of each class: baseline → compressed", fontsize=13, fontweight="bold")
    figure.text(0.03, 1 - 0.58 / height, _subheading(record), fontsize=9, color=_FAINT, parse_math=False)
    make_output_folder(file.parent)
    with writing_to(file.parent):
        figure.savefig(file)
    return True


def _change(before: float | None, after: float | None) -> float:
    return float("inf") if before is None or after is None else after - before


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.1%}"


def _subheading(record: CellRecord) -> str:
    split = record.steps[-1].split
    return f"{record.cell}" + (f" · {split}" if split else "")
