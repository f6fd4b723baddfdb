"""Running again on purpose what is complete."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable

from harness.plan.stage import Stage
from harness.store.layout import Layout
from harness.store.lock import StageLock, stage_owner
from harness.store.stage import forget_failure

_GLANCE_SECONDS = 0.01


def remove_forced(stages: Iterable[Stage], layout: Layout, force: Callable[[Stage], bool]) -> list[Stage]:
    """Takes forced stages, and all that start from them, out of their places.

    What was complete is kept below `aside/` until its successor is published. A stage that another process runs at this
    moment is left alone: it is new anyway.

    Args:
        stages: All stages of a plan, each behind its inputs.
        layout: The results folder.
        force: Which stages the user wants to run again.

    Returns:
        The stages that were taken out.
    """
    ordered = list(stages)
    forced = dependents_too(ordered, force)
    return [stage for stage in ordered if stage in forced and _remove(stage, layout)]


def dependents_too(stages: Iterable[Stage], force: Callable[[Stage], bool]) -> frozenset[Stage]:
    """Returns the forced stages and all that start from them.

    Args:
        stages: All stages of a plan, each behind its inputs.
        force: Which stages the user wants to run again.
    """
    forced: set[Stage] = set()
    for stage in stages:
        if force(stage) or any(source in forced for _, source in stage.inputs):
            forced.add(stage)
    return frozenset(forced)


def _remove(stage: Stage, layout: Layout) -> bool:
    lock = StageLock(layout, stage.kind, stage.identity)
    while not lock.acquire():
        if stage_owner(layout, stage.kind, stage.identity) is not None:
            return False
        time.sleep(_GLANCE_SECONDS)  # somebody only looks who owns it
    try:
        place, kept = layout.stage(stage.kind, stage.identity), layout.forced(stage.kind, stage.identity)
        if place.exists():
            shutil.rmtree(kept, ignore_errors=True)
            kept.parent.mkdir(parents=True, exist_ok=True)
            place.rename(kept)
        shutil.rmtree(layout.work(stage.kind, stage.identity), ignore_errors=True)
        forget_failure(layout, stage.kind, stage.identity)
    finally:
        lock.release()
    return True
