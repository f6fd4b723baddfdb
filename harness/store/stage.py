"""Stage folders: what makes one complete, and how it is published."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.store.aside import set_aside
from harness.store.atomic import publish_folder
from harness.store.checksum import StoredFile, content_problem, describe_file, size_problem
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.sealed import DamagedDocumentError, read_sealed, write_sealed

STAGE_SCHEMA = 2
_UNSEALED = (1,)
StageKind = Literal["train", "prepare", "compress", "recover", "evaluate", "measure", "oracle", "compare"]
CONTINUED_KINDS = ("train", "recover")
"""Stages that go on where an interrupted try has left them."""
_PROGRESS_KEPT = ("timeout", "oom", "worker_lost")
"""Failures that say nothing against what was done before them."""


class StageFile(BaseModel):
    """`stage.json`: what a complete stage did.

    Attributes:
        schema_version: Version of this format; 1 had neither `subject` nor `files` nor a checksum.
        kind: Which kind of stage it is.
        identity: Hash of `fields`, whole.
        fields: Everything that determined the outcome; the identity can be recomputed from it.
        label: What people call the stage.
        subject: Model, data set and seed that it was first run for.
        result: The stage's figures, plain JSON.
        files: What the stage made, by path below its folder; logs are not in it.
        started: UTC time, ISO 8601.
        seconds: Wall time, that of interrupted tries which it continued included.
        cpu_seconds: CPU time of the worker and its children, in the last try.
        peak_memory_bytes: Largest resident size of the worker while the stage ran, or of one of the processes that did
            its training; `None` where unknown.
        environment: Versions, hardware and threads of the worker.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1, 2] = 2
    kind: StageKind
    identity: str
    fields: dict[str, Any]
    label: str
    subject: str = ""
    result: dict[str, Any]
    files: dict[str, StoredFile] = Field(default_factory=dict)
    started: str
    seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    peak_memory_bytes: int | None = None
    environment: dict[str, Any]


class FailureFile(BaseModel):
    """`failure.json`: why a stage failed.

    Attributes:
        schema_version: Version of this format.
        kind: Which kind of stage it is.
        identity: Its identity.
        label: What people call the stage.
        failure: Why it failed.
        transient: The cause lay outside the stage, so that every run tries it again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[2] = 2
    kind: StageKind
    identity: str
    label: str
    failure: Failure
    transient: bool = False


class FoundStage(NamedTuple):
    """What lies in a stage's place.

    Attributes:
        file: The complete stage; `None` if there is none, or none that can be believed.
        problem: Why what lies there cannot be believed; empty if nothing does or all is well.
    """

    file: StageFile | None
    problem: str = ""


class FoundFailure(NamedTuple):
    """What lies in the place of a stage's failure.

    Attributes:
        file: The failure; `None` if there is none, or none that can be believed.
        problem: Why what lies there cannot be believed.
    """

    file: FailureFile | None
    problem: str = ""


def find_stage(layout: Layout, kind: str, identity: str) -> FoundStage:
    """Looks for a complete stage: a folder in place, with its own whole `stage.json` and all files that it made.

    The files are judged by their lengths; `damaged_files` reads them.
    """
    folder = layout.stage(kind, identity)
    try:
        stage = _read_stage_file(folder / "stage.json")
    except FileNotFoundError:
        return FoundStage(None, f"{folder}: has no stage.json" if folder.exists() else "")
    except DamagedDocumentError as error:
        return FoundStage(None, str(error))
    if stage.identity != identity or stage.kind != kind:
        return FoundStage(None, f"{folder / 'stage.json'}: belongs to another stage ({stage.label})")
    problem = size_problem(folder, stage.files)
    return FoundStage(None, f"{folder}: {problem}") if problem else FoundStage(stage)


def read_stage(layout: Layout, kind: str, identity: str) -> StageFile | None:
    """Returns the stage if it is complete."""
    return find_stage(layout, kind, identity).file


def read_stage_file(path: Path) -> StageFile | None:
    """Returns the content of any `stage.json`, `None` if it cannot be believed."""
    try:
        return _read_stage_file(path)
    except (DamagedDocumentError, FileNotFoundError):
        return None


def damaged_files(layout: Layout, stage: StageFile) -> str:
    """Returns which file of a complete stage is not what was stored, empty if none is; reads all of them."""
    folder = layout.stage(stage.kind, stage.identity)
    problem = content_problem(folder, stage.files)
    return f"{folder}: {problem}" if problem else ""


def find_failure(layout: Layout, kind: str, identity: str) -> FoundFailure:
    """Looks for the failure of a stage that was tried."""
    path = layout.failure(kind, identity) / "failure.json"
    try:
        failure = FailureFile.model_validate(read_sealed(path, newest=STAGE_SCHEMA))
    except FileNotFoundError:
        return FoundFailure(None)
    except DamagedDocumentError as error:
        return FoundFailure(None, str(error))
    except ValidationError as error:
        return FoundFailure(None, f"{path}: {_first(error)}")
    if failure.identity != identity or failure.kind != kind:
        return FoundFailure(None, f"{path}: belongs to another stage ({failure.label})")
    return FoundFailure(failure)


def read_failure(layout: Layout, kind: str, identity: str) -> Failure | None:
    """Returns why the stage failed when it was last tried, or `None` if it has not failed."""
    found = find_failure(layout, kind, identity).file
    return found.failure if found is not None else None


def failure_stamp(layout: Layout, kind: str, identity: str) -> int | None:
    """Returns what tells one failure of a stage from the next, equal one: when it was written, in nanoseconds."""
    try:
        return (layout.failure(kind, identity) / "failure.json").stat().st_mtime_ns
    except OSError:
        return None


def set_aside_if_damaged(layout: Layout, kind: str, identity: str) -> str:
    """Moves what lies in a stage's place out of it if it cannot be believed; the caller holds the stage's lock.

    Returns:
        What was wrong with it; empty if nothing was.
    """
    problem = find_stage(layout, kind, identity).problem
    if problem:
        set_aside(layout, layout.stage(kind, identity), problem)
    failure = find_failure(layout, kind, identity).problem
    if failure:
        set_aside(layout, layout.failure(kind, identity), failure)
    return problem or failure


def open_work(layout: Layout, kind: str, identity: str, *, keep: bool = False) -> Path:
    """Returns the folder of a stage in flight; the caller holds the stage's lock.

    Args:
        layout: The results folder.
        kind: Which kind of stage it is.
        identity: Its identity.
        keep: Leave what an interrupted try left there, to be continued; otherwise the folder is empty.
    """
    work = layout.work(kind, identity)
    if work.exists() and not keep:
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    return work


def made_files(work: Path) -> dict[str, StoredFile]:
    """Returns what a stage has made: everything but logs and the notes that the framework takes for itself."""
    made = [path for path in sorted(work.glob("*/**/*")) if path.is_file()]
    names = [path.relative_to(work) for path in made]
    return {name.as_posix(): describe_file(work / name) for name in names if name.parts[0] != "mmengine"}


def publish_stage(layout: Layout, work: Path, stage: StageFile) -> None:
    """Makes a finished stage complete; a failure of an earlier try is forgotten.

    Raises:
        FileExistsError: The stage has been published already.
    """
    sealed = stage.model_copy(update={"files": made_files(work)})
    write_sealed(work / "stage.json", sealed.model_dump(mode="json"))
    publish_folder(work, layout.stage(stage.kind, stage.identity))
    shutil.rmtree(layout.forced(stage.kind, stage.identity), ignore_errors=True)
    forget_failure(layout, stage.kind, stage.identity)


def publish_failure(
    layout: Layout,
    work: Path,
    kind: StageKind,
    identity: str,
    label: str,
    failure: Failure,
    *,
    transient: bool = False,
) -> Failure:
    """Keeps a failed stage's log and reason; returns the failure with the log's final place."""
    target = layout.failure(kind, identity)
    forget_failure(layout, kind, identity)
    target.mkdir(parents=True)
    log = work / "stage.log"
    if log.exists():
        log.rename(target / "stage.log")
        failure = failure.model_copy(update={"log": str((target / "stage.log").relative_to(layout.root))})
    file = FailureFile(kind=kind, identity=identity, label=label, failure=failure, transient=transient)
    write_sealed(target / "failure.json", file.model_dump(mode="json"))
    if not transient and not (kind in CONTINUED_KINDS and failure.kind in _PROGRESS_KEPT):
        shutil.rmtree(work, ignore_errors=True)
    return failure


def forget_failure(layout: Layout, kind: str, identity: str) -> None:
    """Removes the trace of an earlier failure, so that the stage may be tried again."""
    with suppress(FileNotFoundError):
        shutil.rmtree(layout.failure(kind, identity))


def _read_stage_file(path: Path) -> StageFile:
    content = read_sealed(path, newest=STAGE_SCHEMA, unsealed=_UNSEALED)
    try:
        return StageFile.model_validate(content)
    except ValidationError as error:
        raise DamagedDocumentError(path, _first(error)) from error


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
