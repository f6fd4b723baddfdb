"""Where each stage of a plan stands, and what may be started."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from harness.plan.stage import Stage
from harness.store.failure import Failure
from harness.store.layout import Layout
from harness.store.stage import failure_stamp, read_failure, read_stage

StageState = Literal["waiting", "running", "complete", "failed", "blocked", "interrupted"]
RetryRule = Callable[[Failure], bool]


def never_retry(failure: Failure) -> bool:
    """Keeps every failed stage failed."""
    del failure
    return False


@dataclass
class StageStates:
    """The states of all stages of a plan, in their order.

    Attributes:
        stages: All stages, each behind its inputs.
        failures: Why the failed ones failed.
        retried: Stages whose failures are to be tried again, with `failure_stamp` of these failures.
    """

    stages: Sequence[Stage]
    failures: dict[Stage, Failure] = field(default_factory=dict)
    retried: dict[Stage, int | None] = field(default_factory=dict)
    _states: dict[Stage, StageState] = field(default_factory=dict)

    def __getitem__(self, stage: Stage) -> StageState:
        return self._states[stage]

    def set(self, stage: Stage, state: StageState, failure: Failure | None = None) -> None:
        """Notes a new state; what depends on a failed stage becomes blocked."""
        self._states[stage] = state
        if failure is not None:
            self.failures[stage] = failure
        if state == "failed":
            self._block()

    def count(self, *states: StageState) -> int:
        """Returns how many stages are in one of the states."""
        return sum(state in states for state in self._states.values())

    def ready(self) -> list[Stage]:
        """Returns the waiting stages all of whose inputs are complete."""
        return [stage for stage in self.stages if self._states[stage] == "waiting" and self._inputs_complete(stage)]

    def blocker(self, stage: Stage) -> Stage | None:
        """Returns the failed stage because of which `stage` cannot run."""
        for _, source in stage.inputs:
            if self._states.get(source) == "failed":
                return source
            if (found := self.blocker(source)) is not None:
                return found
        return None

    def _inputs_complete(self, stage: Stage) -> bool:
        return all(self._states[source] == "complete" for _, source in stage.inputs)

    def _block(self) -> None:
        for stage in self.stages:
            if self._states.get(stage) == "waiting" and self.blocker(stage) is not None:
                self._states[stage] = "blocked"


def read_states(
    stages: Iterable[Stage], layout: Layout, *, retry: RetryRule = never_retry, skip_existing: bool = True
) -> StageStates:
    """Returns where the stages stand by what lies in the results folder, and by nothing else.

    Args:
        stages: All stages of a plan, each behind its inputs.
        layout: The results folder.
        retry: Which failed stages are to be tried again.
        skip_existing: Whether complete stages stay complete.
    """
    states = StageStates(list(stages))
    for stage in states.stages:
        if skip_existing and read_stage(layout, stage.kind, stage.identity) is not None:
            states.set(stage, "complete")
            continue
        stamp = failure_stamp(layout, stage.kind, stage.identity)
        failure = read_failure(layout, stage.kind, stage.identity)
        if failure is None:
            states.set(stage, "waiting")
        elif skip_existing and not _tried_again(failure, retry):
            states.set(stage, "failed", failure)
        else:
            states.retried[stage] = stamp
            states.set(stage, "waiting")
    states._block()
    return states


def _tried_again(failure: Failure, retry: RetryRule) -> bool:
    """A mistake of the user is always tried again: it costs nothing, and may be mended without a new identity."""
    return failure.kind == "config_error" or retry(failure)
