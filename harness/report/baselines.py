"""Baselines that were evaluated in a results folder without cells, and so are in no record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.report.collection import Run
from harness.store.layout import Layout
from harness.store.stage import read_stage_file

_LABEL = "evaluate baseline"


@dataclass(frozen=True)
class Baseline:
    """A baseline and its metrics.

    Attributes:
        subject: Model, data set and seed.
        split: What it was evaluated on.
        metrics: Its metrics by name, in the evaluator's order; those of single classes are left out.
    """

    subject: str
    split: str
    metrics: Mapping[str, float | None]


def find_baselines(run: Run) -> list[Baseline]:
    """Returns the baselines that were evaluated in a results folder, the oldest first, as its stages say it.

    Args:
        run: The results folder.
    """
    paths = Layout(run.folder).stages.glob("evaluate-*/stage.json")
    files = [file for path in sorted(paths) if (file := read_stage_file(path)) is not None and file.label == _LABEL]
    return [
        Baseline(
            subject=file.subject,
            split=file.result["split"],
            metrics={name: value for name, value in file.result["metrics"].items() if "." not in name},
        )
        for file in sorted(files, key=lambda file: file.started)
    ]
