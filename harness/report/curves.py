"""Pictures of trainings: loss and learning rate over the iterations."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.report.collection import Run
from harness.store.curve import Curve, find_curves, read_curve
from harness.store.layout import Layout
from harness.store.output_folder import make_output_folder, writing_to
from harness.store.record import StageCost
from harness.store.slug import slug
from harness.store.stage import read_stage, read_stage_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DIGITS = 8
_SIZE, _DOTS_PER_INCH = (8.0, 4.2), 120
_LOSS, _RATE, _FAINT = "#3182bd", "#e6861a", "#6b6b6b"
_PARTS = ("#756bb1", "#31a354", "#c51b8a", "#8c6d31", "#17807e", "#636363")
_SMOOTHED = 20  # points from which a running mean is drawn, over a tenth of them
_TOTAL = "loss"
_TRAINED = ("train", "recover")


@dataclass(frozen=True)
class Training:
    """One training of a results folder that has left its curve.

    Attributes:
        label: What people call its stage.
        subject: Model, data set and seed.
        name: Of its picture, without a suffix.
        path: The curve.
        run: The results folder.
    """

    label: str
    subject: str
    name: str
    path: Path
    run: Path


def find_trainings(runs: Sequence[Run]) -> list[Training]:
    """Returns the trainings of the records' stages that have left a curve, each once, in the order of the records.

    Args:
        runs: What `collect_runs` found.
    """
    found: dict[Path, Training] = {}
    for run in runs:
        for stage in _complete_stages(run):
            found.update({training.path: training for training in _of_stage(run.folder, stage)})
    return list(found.values())


def count_without_curve(runs: Sequence[Run]) -> int:
    """Returns how many baselines and recoveries of the records are complete and have left no curve.

    Args:
        runs: What `collect_runs` found.
    """
    stages = ((run, stage) for run in runs for stage in _complete_stages(run) if stage.kind in _TRAINED)
    return sum(not find_curves(Layout(run.folder).stage(stage.kind, stage.identity)) for run, stage in stages)


def draw_curve(training: Training, curve: Curve, file: Path) -> None:
    """Writes the picture of a training.

    Args:
        training: Which one.
        curve: What it has left.
        file: Where to; its folder is created.

    Raises:
        UserError: It cannot be written there.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=_SIZE, dpi=_DOTS_PER_INCH, facecolor="white")
    axes = figure.add_axes((0.09, 0.12, 0.81, 0.7))
    _draw_losses(axes, curve)
    if curve.learning_rate:
        rate = axes.twinx()
        rate.plot(curve.iterations, curve.learning_rate, color=_RATE, linewidth=1.2, linestyle=(0, (4, 2)))
        rate.set_ylim(0, 1.08 * max(curve.learning_rate) or 1)
        rate.set_ylabel("learning rate", color=_RATE)
        rate.tick_params(axis="y", colors=_RATE)
        rate.yaxis.set_major_formatter(lambda value, position: f"{value:g}")
        rate.spines[["top", "left", "bottom"]].set_visible(False)
    figure.text(0.03, 0.93, training.label, fontsize=13, fontweight="bold", parse_math=False)
    subheading = " · ".join(part for part in (training.subject, _end(curve)) if part)
    figure.text(0.03, 0.875, subheading, fontsize=9, color=_FAINT, parse_math=False)
    make_output_folder(file.parent)
    with writing_to(file.parent):
        figure.savefig(file)


def draw_curves(runs: Sequence[Run], out: Path | None, warn: Callable[[str], None]) -> Iterator[Path]:
    """Writes the picture of every training whose curve can be read and yields where each is.

    Args:
        runs: What `collect_runs` found.
        out: Folder of the pictures; default: `pictures/curves` of each results folder.
        warn: Told why another one is left out.

    Raises:
        UserError: No training has left a curve that can be read, or the folder cannot be written to.
    """
    trainings = find_trainings(runs)
    if not trainings:
        message = f"{', '.join(str(run.folder) for run in runs)}: no training here has left a curve"
        raise UserError(message, "Trainings leave one when they are complete; baselines that were given have none.")
    curves = [(training, curve) for training in trainings if (curve := _readable(training, warn)) is not None]
    if not curves:
        message = f"none of the {len(trainings)} curves here can be read"
        raise UserError(message, "The warnings say why; results are whole without them.")
    for training, curve in curves:
        file = (out or Layout(training.run).pictures / "curves") / f"{training.name}.png"
        draw_curve(training, curve, file)
        yield file


def _readable(training: Training, warn: Callable[[str], None]) -> Curve | None:
    try:
        return read_curve(training.path)
    except UserError as error:
        warn(error.message)
        return None


def _complete_stages(run: Run) -> list[StageCost]:
    """Returns the complete stages that the records name, each once; of a folder without cells all that are there."""
    if not run.records and not run.problems:
        files = (read_stage_file(path) for path in sorted(Layout(run.folder).stages.glob("*/stage.json")))
        known = sorted((file for file in files if file is not None), key=lambda file: file.started)
        return [StageCost(kind=file.kind, label=file.label, identity=file.identity, state="complete") for file in known]
    stages = (stage for record in run.records for stage in record.stages if stage.state == "complete")
    return list({stage.identity: stage for stage in stages}.values())


def _end(curve: Curve) -> str:
    total = curve.losses.get(_TOTAL)
    return f"{curve.iterations[-1]} iterations" + (f", last loss {total[-1]:.4g}" if total else "")


def _of_stage(folder: Path, stage: StageCost) -> Iterator[Training]:
    layout = Layout(folder)
    curves = find_curves(layout.stage(stage.kind, stage.identity))
    file = read_stage(layout, stage.kind, stage.identity) if curves else None
    for purpose, path in curves.items():
        label = f"{stage.label} ({purpose})" if purpose else stage.label
        readable = slug("_".join(label.replace("(", "").replace(")", "").lower().split()))
        name = f"{readable}-{stage.identity[:_DIGITS]}"
        yield Training(label, file.subject if file else "", name, path, folder)


def _draw_losses(axes: Axes, curve: Curve) -> None:
    parts = {name: values for name, values in curve.losses.items() if name != _TOTAL}
    total = curve.losses.get(_TOTAL, [])
    smooth = len(total) >= _SMOOTHED
    if total:
        faint = {"alpha": 0.35} if smooth else {"label": _TOTAL}
        axes.plot(curve.iterations, total, color=_LOSS, linewidth=1.0, **faint)
    if smooth:
        axes.plot(curve.iterations, _running_mean(total), color=_LOSS, linewidth=2.0, label="loss, running mean")
    if len(parts) > 1:  # a single part is the total
        for place, (name, values) in enumerate(parts.items()):
            shown = _running_mean(values) if smooth else values
            axes.plot(curve.iterations, shown, color=_PARTS[place % len(_PARTS)], linewidth=1.3, label=name)
    axes.set_xlim(1, max(curve.iterations[-1], 2))
    axes.set_ylim(bottom=min(0.0, *(min(values) for values in curve.losses.values())))
    axes.set(xlabel="iteration", ylabel="loss")
    axes.grid(color="#e3e3e3", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=9, loc="upper right", framealpha=0.8, edgecolor="none")


def _running_mean(values: Sequence[float]) -> list[float]:
    """Returns the mean of each value and those on both sides of it, over a tenth of all."""
    reach = max(1, len(values) // 20)
    spans = (values[max(0, place - reach) : place + reach + 1] for place in range(len(values)))
    return [sum(span) / len(span) for span in spans]
