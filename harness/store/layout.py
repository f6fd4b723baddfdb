"""Where things lie below a results folder.

```
benchmark.yaml                what the last run was asked for: its file with the flags over it
run.json                      how the last run was carried out: device, disabled plugins, command
summary.json                  rebuilt from the records
cells/<slug>/record.json      one record a cell
stages/<kind>-<identity>/     complete stages: stage.json, stage.log and what the stage made
failures/<kind>-<identity>/   failed stages: failure.json, stage.log
work/<kind>-<identity>/       stages in flight
locks/<kind>-<identity>.*     held by the process that runs the stage, and by its worker
aside/                        what could not be believed, each with its reason beside it
visualization/<kind>-<identity>/<visualizer>/   curves of trainings, where a run was asked for them
pictures/<slug>/              what `bench show` has painted of a cell
pictures/curves/              what `bench curves` has drawn
```
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.store.slug import slug

_SHOWN_DIGITS = 20


@dataclass(frozen=True)
class Layout:
    """Paths below one results folder; creates nothing.

    Attributes:
        root: The results folder.
    """

    root: Path

    @property
    def benchmark(self) -> Path:
        """The benchmark as it was last run."""
        return self.root / "benchmark.yaml"

    @property
    def run(self) -> Path:
        """How the last run was carried out."""
        return self.root / "run.json"

    @property
    def summary(self) -> Path:
        """The summary, rebuilt from records."""
        return self.root / "summary.json"

    @property
    def cells(self) -> Path:
        """The folder of all cells."""
        return self.root / "cells"

    def record(self, cell: str) -> Path:
        """The record of the cell named `cell`."""
        return self.cells / slug(cell) / "record.json"

    @property
    def stages(self) -> Path:
        """The folder of all complete stages."""
        return self.root / "stages"

    def stage(self, kind: str, identity: str) -> Path:
        """The folder of a complete stage."""
        return self.stages / stage_name(kind, identity)

    def failure(self, kind: str, identity: str) -> Path:
        """The folder of a failed stage."""
        return self.root / "failures" / stage_name(kind, identity)

    def work(self, kind: str, identity: str) -> Path:
        """The folder of a stage in flight."""
        return self.root / "work" / stage_name(kind, identity)

    def lock(self, kind: str, identity: str, holder: str) -> Path:
        """The lock file of a stage.

        Args:
            kind: Which kind of stage it is.
            identity: Its identity.
            holder: Which of its locks: `lock` and `lease` (the scheduler's), `worker`.
        """
        return self.root / "locks" / f"{stage_name(kind, identity)}.{holder}"

    def forced(self, kind: str, identity: str) -> Path:
        """Where a complete stage waits for its successor that `--force` asked for."""
        return self.aside / f"{stage_name(kind, identity)}-forced"

    def visualization(self, kind: str, identity: str) -> Path:
        """Where the curves of a stage's trainings are written."""
        return self.root / "visualization" / stage_name(kind, identity)

    @property
    def pictures(self) -> Path:
        """The folder of everything that was made to be looked at."""
        return self.root / "pictures"

    @property
    def aside(self) -> Path:
        """What could not be believed."""
        return self.root / "aside"


def stage_name(kind: str, identity: str) -> str:
    """Returns a stage's name in every folder: unique there, while `stage.json` holds the whole identity."""
    return f"{kind}-{identity[:_SHOWN_DIGITS]}"
