"""Stage folders: what makes one complete, and how it is published."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.store.atomic import publish_folder, write_json
from harness.store.failure import Failure
from harness.store.layout import Layout

STAGE_SCHEMA = 1
StageKind = Literal["train", "prepare", "compress", "recover", "evaluate", "measure"]


class StageFile(BaseModel):
    """`stage.json`: what a complete stage did.

    Attributes:
        schema_version: Version of this format.
        kind: Which of the six stages it is.
        identity: Hash of `fields`, whole.
        fields: Everything that determined the outcome; the identity can be recomputed from it.
        label: What people call the stage.
        result: The stage's figures, plain JSON.
        started: UTC time, ISO 8601.
        seconds: Wall time, that of interrupted tries which it continued included.
        cpu_seconds: CPU time of the worker and its children, in the last try.
        peak_memory_bytes: Largest resident size of the worker while the stage ran; `None` where unknown.
        environment: Versions, hardware and threads of the worker.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1] = 1
    kind: StageKind
    identity: str
    fields: dict[str, Any]
    label: str
    result: dict[str, Any]
    started: str
    seconds: float = Field(ge=0)
    cpu_seconds: float = Field(ge=0)
    peak_memory_bytes: int | None = None
    environment: dict[str, Any]


def read_stage(layout: Layout, kind: str, identity: str) -> StageFile | None:
    """Returns the stage if it is complete: its folder is in place and holds its own valid `stage.json`."""
    path = layout.stage(kind, identity) / "stage.json"
    try:
        stage = StageFile.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return stage if stage.identity == identity and stage.kind == kind else None


def read_failure(layout: Layout, kind: str, identity: str) -> Failure | None:
    """Returns why the stage failed when it was last tried, or `None` if it has not failed."""
    path = layout.failure(kind, identity) / "failure.json"
    try:
        content = json.loads(path.read_bytes())
        return Failure.model_validate(content["failure"]) if content["identity"] == identity else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def failure_stamp(layout: Layout, kind: str, identity: str) -> int | None:
    """Returns what tells one failure of a stage from the next, equal one: when it was written, in nanoseconds."""
    try:
        return (layout.failure(kind, identity) / "failure.json").stat().st_mtime_ns
    except OSError:
        return None


def open_work(layout: Layout, kind: str, identity: str, *, keep: bool = False) -> Path:
    """Returns the folder of a stage in flight; the caller holds the stage's lock.

    Args:
        layout: The results folder.
        kind: Which of the six stages it is.
        identity: Its identity.
        keep: Leave what an interrupted try left there, to be continued; otherwise the folder is empty.
    """
    work = layout.work(kind, identity)
    if work.exists() and not keep:
        shutil.rmtree(work)
    work.mkdir(parents=True, exist_ok=True)
    return work


def publish_stage(layout: Layout, work: Path, stage: StageFile) -> None:
    """Makes a finished stage complete.

    An older complete folder in its place is replaced, an invalid one is set aside; a failure of an earlier
    try is forgotten.
    """
    write_json(work / "stage.json", stage.model_dump(mode="json"))
    target = layout.stage(stage.kind, stage.identity)
    replaced = read_stage(layout, stage.kind, stage.identity) is not None
    aside = _set_aside(target) if target.exists() else None
    publish_folder(work, target)
    if replaced and aside is not None:
        shutil.rmtree(aside)
    forget_failure(layout, stage.kind, stage.identity)


def publish_failure(layout: Layout, work: Path, kind: str, identity: str, label: str, failure: Failure) -> Failure:
    """Keeps a failed stage's log and reason; returns the failure with the log's final place."""
    target = layout.failure(kind, identity)
    forget_failure(layout, kind, identity)
    target.mkdir(parents=True)
    log = work / "stage.log"
    if log.exists():
        log.rename(target / "stage.log")
        failure = failure.model_copy(update={"log": str((target / "stage.log").relative_to(layout.root))})
    content = {"identity": identity, "kind": kind, "label": label, "failure": failure.model_dump(mode="json")}
    write_json(target / "failure.json", content)
    shutil.rmtree(work, ignore_errors=True)
    return failure


def forget_failure(layout: Layout, kind: str, identity: str) -> None:
    """Removes the trace of an earlier failure, so that the stage may be tried again."""
    with suppress(FileNotFoundError):
        shutil.rmtree(layout.failure(kind, identity))


def _set_aside(folder: Path) -> Path:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.aside-{number}")).exists():
        number += 1
    return folder.rename(aside)
