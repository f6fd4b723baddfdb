"""What a worker is told to do: a stage and where its folders are, as plain JSON."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from harness.plan.identity import StageFields


class StageJob(BaseModel):
    """One stage, ready to run.

    Attributes:
        fields: What determines the outcome.
        identity: The stage's identity.
        label: What people call it.
        subject: Model, data set and seed that it is run for.
        inputs: Folder of each input stage, by role.
        work: Folder in which the worker does the stage's work, and which it publishes when that is complete.
        root: The results folder.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, ...
        threads: Threads of the worker.
        disabled: Plugins that the user has switched off.
        checkpoint: Where the weights are that a `train` stage loads; its content's digest is in `fields`.
        paths: Options of the data set and of the model that say where files lie, by role; see `Options.path_options`.
        owner: Token of the lease under which the job runs; nothing is published for another one. Empty: not looked at.
        trusted: Whether unpickling the checkpoint, or that of the backbone, may run code.
        visualizers: Where the curves of trainings are written besides, of `harness.spec.visualizers`.
        loader_workers: Processes that read samples; 0 for the worker's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    fields: StageFields
    identity: str
    label: str
    subject: str = ""
    inputs: dict[str, Path]
    work: Path
    root: Path
    device: str = "auto"
    threads: int = 1
    disabled: tuple[str, ...] = ()
    checkpoint: Path | None = None
    paths: dict[str, dict[str, str]] = Field(default_factory=dict)
    owner: str = ""
    trusted: bool = False
    visualizers: tuple[str, ...] = ()
    loader_workers: int = 0
