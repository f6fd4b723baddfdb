"""Where stages and cells stand, and why, by what lies in the results folder and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from harness.execution.states import StageStates
from harness.plan.cell import PlannedCell
from harness.plan.stage import Stage
from harness.plan.staleness import Change, changes, explained
from harness.store.failure import Failure
from harness.store.inventory import Inventory
from harness.store.layout import Layout
from harness.store.lock import stage_owner
from harness.store.stage import FoundStage, StageFile, find_failure, find_stage, read_stage_file

StandingState = Literal["complete", "failed", "blocked", "interrupted", "in_flight", "stale", "never_run"]
_ORDER: tuple[StandingState, ...] = ("in_flight", "interrupted", "stale")


@dataclass(frozen=True)
class Standing:
    """Where something stands.

    Attributes:
        state: The state.
        reason: Why, in a few words; empty for what is complete or was never run.
        failure: The failure of a stage that failed.
    """

    state: StandingState
    reason: str = ""
    failure: Failure | None = field(default=None, compare=False)

    def __str__(self) -> str:
        words = self.state.replace("_", " ")
        return f"{words}: {self.reason}" if self.reason else words


class EarlierStages:
    """The complete stages of a results folder that a plan does not ask for; read once, when first asked.

    Args:
        layout: The results folder.
        planned: Identities of the stages that the plan does ask for.
    """

    def __init__(self, layout: Layout, planned: frozenset[str]) -> None:
        self._layout = layout
        self._planned = planned

    def like(self, stage: Stage) -> list[StageFile]:
        """Returns those that did the same for the same model, data set and seed, the newest last."""
        return self._by_address.get((stage.kind, stage.label, stage.subject), [])

    def __iter__(self) -> Iterator[StageFile]:
        for files in self._by_address.values():
            yield from files

    @cached_property
    def _by_address(self) -> dict[tuple[str, str, str], list[StageFile]]:
        found: dict[tuple[str, str, str], list[StageFile]] = {}
        for path in self._layout.stages.glob("*/stage.json"):
            file = read_stage_file(path)
            if file is not None and file.identity not in self._planned:
                found.setdefault((file.kind, file.label, file.subject), []).append(file)
        for files in found.values():
            files.sort(key=lambda file: file.started)
        return found


class Standings:
    """Says of the stages and cells of a plan where they stand.

    Args:
        states: What can be run, and what cannot.
        layout: The results folder.
    """

    def __init__(self, states: StageStates, layout: Layout) -> None:
        self._states = states
        self._layout = layout
        self._there = Inventory(layout)
        self._known: dict[Stage, Standing] = {}
        self.earlier = EarlierStages(layout, frozenset(stage.identity for stage in states.stages))

    def stage(self, stage: Stage) -> Standing:
        """Returns where a stage stands."""
        if stage not in self._known:
            self._known[stage] = self._look(stage)
        return self._known[stage]

    def cell(self, planned: PlannedCell) -> Standing:
        """Returns where a cell stands: where its worst stage does."""
        standings = {stage: self.stage(stage) for stage in planned.stages}
        for stage, standing in standings.items():
            if standing.state == "failed":
                shared = planned.shares(stage)
                return Standing("blocked" if shared else "failed", f"{stage.label}: {standing.reason}")
        if all(standing.state == "complete" for standing in standings.values()):
            return Standing("complete")
        for state in _ORDER:
            for stage, standing in standings.items():
                if standing.state == state:
                    return Standing(state, standing.reason if state == "stale" else f"{stage.label}: {standing.reason}")
        there = sum(standing.state == "complete" for standing in standings.values())
        own = any(standing.state == "complete" and not planned.shares(stage) for stage, standing in standings.items())
        if own:
            return Standing("interrupted", f"{there} of {len(standings)} stages are there")
        return Standing("never_run", f"{there} of {len(standings)} stages are there already" if there else "")

    def _look(self, stage: Stage) -> Standing:
        if self._states[stage] == "complete":
            return Standing("complete")
        layout, there, key = self._layout, self._there, (stage.kind, stage.identity)
        found = find_stage(layout, *key) if there.stage(*key) else FoundStage(None)
        if found.file is not None:
            return Standing("complete")
        if there.lock(*key) and (owner := stage_owner(layout, *key)) is not None:
            return Standing("in_flight", str(owner))
        if there.failure(*key) and (failure := find_failure(layout, *key).file) is not None:
            return Standing("failed", f"{failure.failure.kind}: {failure.failure.message}", failure.failure)
        if (blocker := self._states.blocker(stage)) is not None:
            return Standing("blocked", f"{blocker.label} failed")
        if there.work(*key):
            return Standing("interrupted", "stopped while it was in flight")
        if found.problem:
            return Standing("stale", f"damaged: {found.problem}")
        if reason := explained(self.changed(stage)):
            return Standing("stale", reason)
        return Standing("never_run")

    def changed(self, stage: Stage) -> list[Change]:
        """Returns in what a stage differs from the likest earlier one that is there; empty if none is.

        A changed input is explained by what has changed in it.
        """
        earlier = self.earlier.like(stage)
        if not earlier:
            return []
        fields = stage.fields.model_dump(mode="json")
        found = [changes(file.fields, fields) for file in reversed(earlier)]
        return [cause for change in min(found, key=len) for cause in self._causes(stage, change)]

    def _causes(self, stage: Stage, change: Change) -> list[Change]:
        if change.path[0] != "inputs":
            return [change]
        source = dict(stage.inputs).get(change.path[-1])
        return (self.changed(source) if source is not None else []) or [change]
