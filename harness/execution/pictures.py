"""Carries out `bench show`: a cell's models are rebuilt and its samples painted in a process of their own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from harness.errors import UserError
from harness.execution.data_paths import data_paths
from harness.execution.inspection import InspectedCell, Inspection
from harness.execution.local import LocalExecutor
from harness.execution.messages import DoneMessage, FailedMessage, ProgressMessage
from harness.plan.hardware import available_cores
from harness.plan.identity import StageFields
from harness.plan.picture import PictureJob
from harness.registry import DatasetDescriptor, Plugin, Registry, Split, validate_options
from harness.store.failure import Failure, FailureKind
from harness.store.layout import Layout
from harness.store.output_folder import writing_to
from harness.store.record import CellRecord, StepResult
from harness.store.stage import read_stage

WORKER_MODULE = "harness.execution.picture_worker"
LOG = "pictures.log"
"""What the worker prints and logs; it stays, in the pictures' folder, if the worker fails."""

_HINTS: dict[FailureKind, str] = {
    "oom": "Show it on a machine with more memory, or with --device cpu.",
    "plugin_error": "This is a defect of a plugin (or of bench); the traceback is in {log}.",
    "worker_lost": "The process crashed; {log} may say where.",
    "data_error": "Mend the data set, then show it again; {log} says more.",
}
_AGAIN = "`bench run` computes again what is gone."

Progress = Callable[[ProgressMessage], None]


def picture_job(
    inspection: Inspection,
    found: InspectedCell,
    registry: Registry,
    *,
    images: Sequence[int],
    samples: int,
    split: Split | None,
    work: Path,
    out: Path,
    device: str,
    root: Path | None = None,
) -> PictureJob:
    """Returns what a worker needs to know to paint a cell's samples.

    Args:
        inspection: The results folder.
        found: The cell.
        registry: All plugins.
        images: Numbers of the samples; empty for `samples` of them.
        samples: How many, spread evenly over the split.
        split: Which split; `None` for the one that reports use.
        work: An empty folder.
        out: Folder of the pictures.
        device: `auto`, `cpu`, `cuda`, ...
        root: Where its data set lies now; `None` for where the last run found it.

    Raises:
        UserError: The cell is not complete, something of it is gone, or its data set is not installed or not found.
    """
    layout, record = inspection.layout, found.record
    if record is None or record.status != "complete" or record.baseline is None or not record.steps:
        standing = found.standing if record is None else record.status.replace("_", " ")
        message = f"{found.name}: the cell is {standing}, and only complete ones can be shown"
        raise UserError(message, f"`bench why '{found.name}' {layout.root}` explains it.")
    evaluated = [stage for stage in record.stages if stage.kind == "evaluate"]
    file = read_stage(layout, "evaluate", evaluated[-1].identity) if evaluated else None
    if file is None:
        message = f"{record.cell}: the stage that evaluated it is gone from {layout.stages}"
        raise UserError(message, _AGAIN)
    fields = StageFields.model_validate(file.fields)
    return PictureJob(
        cell=record.cell,
        fields=fields,
        paths=data_paths(inspection, found, record.dataset, _dataset(fields, registry), root),
        models={
            "baseline": _artifact(layout, record, record.baseline),
            record.pipeline: _artifact(layout, record, record.steps[-1]),
        },
        images=tuple(images),
        samples=samples,
        split=split,
        work=work.resolve(),
        out=out.resolve(),
        device=device,
        threads=1 if file.fields["parameters"]["deterministic"] else available_cores(),
    )


def changed_data(job: PictureJob, registry: Registry) -> bool:
    """Returns whether the data set is not today what the cell was evaluated on.

    Raises:
        UserError: It is not installed, or its options are none of today's.
        DataError: It cannot be read.
    """
    asked, found = job.fields.parameters["dataset"], _dataset(job.fields, registry)
    written = {**asked["options"], **job.paths}
    options = validate_options(found, written, where=f"data set {asked['name']}")
    return found.descriptor.fingerprint(options) != job.fields.dataset


def paint(
    job: PictureJob,
    progress: Progress,
    make_executor: Callable[[], LocalExecutor] = lambda: LocalExecutor(1, WORKER_MODULE),
) -> list[Path]:
    """Returns the files of the pictures, in the order of the samples.

    Args:
        job: What is painted.
        progress: Called with what the worker tells.
        make_executor: Returns what runs the job.

    Raises:
        UserError: The worker failed; the message says why.
    """
    executor = make_executor()
    try:
        executor.submit(job)
        while True:
            for event in executor.wait(1.0):
                if isinstance(event.message, ProgressMessage):
                    progress(event.message)
                elif isinstance(event.message, DoneMessage):
                    return [job.out / name for name in json.loads(job.answer.read_bytes())]
                elif isinstance(event.message, FailedMessage):
                    raise _told(job, event.message.failure)
    finally:
        executor.close()


def _dataset(fields: StageFields, registry: Registry) -> Plugin[DatasetDescriptor]:
    name, plugin = fields.parameters["dataset"]["name"], fields.plugins["dataset"]
    return registry.dataset(fields.parameters["task"], f"{plugin['distribution']}:{name}")


def _artifact(layout: Layout, record: CellRecord, point: StepResult) -> Path:
    folder = layout.root / (point.artifact or "")
    if point.artifact is None or not (folder / "model.json").is_file():
        message = f"{record.cell}: the model behind {point.step} is gone: there is no {folder / 'model.json'}"
        raise UserError(message, _AGAIN)
    return folder.resolve()


def _told(job: PictureJob, failure: Failure) -> UserError:
    """Returns the failure as a mistake of the command; the log is kept where a hint names it."""
    hint = _HINTS.get(failure.kind, failure.hint)
    log = job.work / LOG
    if "{log}" in hint and log.exists():
        with writing_to(job.out):
            job.out.mkdir(parents=True, exist_ok=True)
            (job.out / LOG).write_bytes(log.read_bytes())
    return UserError(f"{job.cell}: {failure.message}", hint.format(log=job.out / LOG))
