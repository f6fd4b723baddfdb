"""What `bench show` asks for, as plain JSON for a worker."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.plan.identity import StageFields
from harness.plan.job import StageJob
from harness.registry.dataset import Split


class PictureJob(BaseModel):
    """Samples that one worker process paints.

    Attributes:
        cell: The cell's name, for the pictures' headings.
        fields: Those of the stage that evaluated its last model; they name task and data set.
        paths: Options of the data set that say where its files lie; they are in no fields.
        models: Folder of each artifact, by what the model is called in the pictures.
        images: Numbers of the samples; none for `samples` of them.
        samples: How many, spread evenly over the split.
        split: Which split; `None` for the one that reports use.
        work: An empty folder; the answer and the log are written to it.
        out: Folder of the pictures; created.
        device: `auto`, `cpu`, `cuda`, ...
        threads: Threads of the worker.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    cell: str
    fields: StageFields
    paths: dict[str, str] = Field(default_factory=dict)
    models: dict[str, Path]
    images: tuple[int, ...] = ()
    samples: int = 4
    split: Split | None = None
    work: Path
    out: Path
    device: str = "auto"
    threads: int = 1

    @property
    def identity(self) -> str:
        """What executors call it."""
        return self.cell

    @property
    def answer(self) -> Path:
        """Where the names of the written files go, a JSON list."""
        return self.work / "pictures.json"

    @property
    def stage(self) -> StageJob:
        """Returns the surroundings of the evaluation.

        Plugins may have been edited since: a picture is looked at, and becomes no part of a result.
        """
        plugins = {role: {**plugin, "source": None} for role, plugin in self.fields.plugins.items()}
        return StageJob(
            fields=self.fields.model_copy(update={"plugins": plugins}),
            identity=self.cell,
            label=f"show {self.cell}",
            inputs={},
            work=self.work,
            root=self.work,
            device=self.device,
            threads=self.threads,
            paths={"dataset": self.paths},
        )
