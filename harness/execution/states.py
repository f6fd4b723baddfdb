"""Where each stage of a plan stands, and what may be started.

Every change costs what it touches, not the size of the plan: a run of ten thousand cells has sixty thousand stages.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from heapq import heapify, heappop, heappush
from typing import Literal

from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.inventory import Inventory
from harness.store.layout import Layout
from harness.store.lock import stage_owner
from harness.store.stage import failure_stamp, find_failure, read_stage

StageState = Literal["waiting", "running", "complete", "failed", "blocked", "interrupted", "left_out"]
_OPEN: tuple[StageState, ...] = ("waiting", "running")


@dataclass(frozen=True)
class RetryRule:
    """Which stages that did not end well are tried again.

    Attributes:
        failed: Says of a failure whether its stage is tried again.
        interrupted: Whether interrupted stages are continued, and those tried again that failed for a cause outside
            of them.
    """

    failed: Callable[[Failure], bool] = lambda failure: False
    interrupted: bool = True

    def applies(self, failure: Failure, *, transient: bool) -> bool:
        """Returns whether a failed stage is tried again.

        A mistake of the user is always: it costs nothing, and may be mended without a new identity.
        """
        return failure.kind == "config_error" or (transient and self.interrupted) or self.failed(failure)


class StageStates:
    """The states of all stages of a plan, in their order.

    Args:
        stages: All stages, each behind its inputs; one that is named again is the same.

    Attributes:
        stages: All stages.
        failures: Why the failed ones failed.
        retried: Stages whose failures are to be tried again, with `failure_stamp` of these failures.
        seconds: What the stages that were complete from the beginning took.
    """

    def __init__(self, stages: Iterable[Stage]) -> None:
        self.stages = list(dict.fromkeys(stages))
        self.failures: dict[Stage, Failure] = {}
        self.retried: dict[Stage, int | None] = {}
        self.seconds: dict[Stage, float] = {}
        self._states: dict[Stage, StageState] = dict.fromkeys(self.stages, "waiting")
        self._counts: Counter[StageState] = Counter({"waiting": len(self.stages)})
        self._open: defaultdict[str, Fraction] = defaultdict(Fraction)
        self._position = {stage: position for position, stage in enumerate(self.stages)}
        self._dependents: dict[Stage, list[Stage]] = {stage: [] for stage in self.stages}
        self._missing: dict[Stage, int] = {}
        for stage in self.stages:
            self._open[stage.kind] += stage.share
            for source in {source for _, source in stage.inputs}:
                self._dependents[source].append(stage)
            self._missing[stage] = len({source for _, source in stage.inputs})
        self._ready = [self._position[stage] for stage in self.stages if not self._missing[stage]]
        heapify(self._ready)

    def __getitem__(self, stage: Stage) -> StageState:
        return self._states[stage]

    def set(self, stage: Stage, state: StageState, failure: Failure | None = None) -> None:
        """Notes a new state; what depends on a failed stage becomes blocked."""
        before = self._states[stage]
        if failure is not None:
            self.failures[stage] = failure
        if before == state:
            return
        self._states[stage] = state
        self._counts[before] -= 1
        self._counts[state] += 1
        self._open[stage.kind] += stage.share * ((state in _OPEN) - (before in _OPEN))
        for dependent in self._dependents[stage]:
            self._missing[dependent] += (before == "complete") - (state == "complete")
            self._offer(dependent)
        self._offer(stage)
        if state == "failed":
            self._block(stage)

    def leave_out(self, stages: Iterable[Stage]) -> None:
        """Notes which stages are not to be run this time; those that are settled stay as they are."""
        for stage in stages:
            if self._states[stage] == "waiting":
                self.set(stage, "left_out")

    def count(self, *states: StageState) -> int:
        """Returns how many stages are in one of the states."""
        return sum(self._counts[state] for state in states)

    def open_by_kind(self) -> dict[str, Fraction]:
        """Returns how many whole stages of each kind are waiting or running; see `estimate.by_kind`."""
        return {kind: count for kind, count in self._open.items() if count}

    def ready(self) -> Iterator[Stage]:
        """Yields the waiting stages all of whose inputs are complete, in the plan's order.

        States may be changed between two of them.
        """
        passed: set[int] = set()
        try:
            while self._ready:
                position = heappop(self._ready)
                if position in passed or not self._is_ready(self.stages[position]):
                    continue  # offered twice, or started since
                passed.add(position)
                yield self.stages[position]
        finally:
            for position in passed:
                self._offer(self.stages[position])

    def any_ready(self) -> bool:
        """Returns whether there is a waiting stage all of whose inputs are complete."""
        while self._ready and not self._is_ready(self.stages[self._ready[0]]):
            heappop(self._ready)
        return bool(self._ready)

    def blocker(self, stage: Stage) -> Stage | None:
        """Returns the failed stage because of which `stage` cannot run."""
        for _, source in stage.inputs:
            if self._states.get(source) == "failed":
                return source
            if self._states.get(source) == "blocked" and (found := self.blocker(source)) is not None:
                return found
        return None

    def _is_ready(self, stage: Stage) -> bool:
        return self._states[stage] == "waiting" and not self._missing[stage]

    def _offer(self, stage: Stage) -> None:
        if self._is_ready(stage):
            heappush(self._ready, self._position[stage])

    def _block(self, failed: Stage) -> None:
        behind = list(self._dependents[failed])
        while behind:
            stage = behind.pop()
            if self._states[stage] == "waiting":
                self.set(stage, "blocked")
                behind.extend(self._dependents[stage])


def read_states(stages: Iterable[Stage], layout: Layout, *, retry: RetryRule | None = None) -> StageStates:
    """Returns where the stages stand by what lies in the results folder, and by nothing else.

    Args:
        stages: All stages of a plan, each behind its inputs.
        layout: The results folder.
        retry: Which failed or interrupted stages are to be tried again; `None` says how they stand, and tries none of
            the failed ones again.
    """
    states, there = StageStates(stages), Inventory(layout)
    for stage in states.stages:
        key = (stage.kind, stage.identity)
        if there.stage(*key) and (file := read_stage(layout, *key)) is not None:
            states.set(stage, "complete")
            states.seconds[stage] = file.seconds
            continue
        stamp = failure_stamp(layout, *key) if there.failure(*key) else None
        found = find_failure(layout, *key).file if there.failure(*key) else None
        if found is not None and retry is not None and retry.applies(found.failure, transient=found.transient):
            states.retried[stage] = stamp
        elif found is not None:
            states.set(stage, "failed", found.failure)
        elif retry is not None and not retry.interrupted and there.work(*key):
            states.set(stage, "interrupted")
    return states


def read_states_again(states: StageStates, stages: Iterable[Stage], layout: Layout) -> StageStates:
    """Returns where some stages stand now, when others may have worked on the folder since `states` were read.

    What only this process knows stays: which stages it runs or had to stop, and failures that could not be stored.

    Args:
        states: Where this process believes that they stand.
        stages: The stages, each behind its inputs.
        layout: The results folder.
    """
    now = StageStates(stages)
    for stage in now.stages:
        key = (stage.kind, stage.identity)
        if read_stage(layout, *key) is not None:
            now.set(stage, "complete")
        elif (found := find_failure(layout, *key).file) is not None:
            now.set(stage, "failed", found.failure)
        elif states[stage] == "failed" and stage_owner(layout, *key) is None:
            now.set(stage, "failed", states.failures[stage])
        elif states[stage] in ("running", "interrupted") or layout.work(*key).exists():
            now.set(stage, "interrupted")
    return now
