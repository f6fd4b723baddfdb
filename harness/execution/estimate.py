"""How long the rest will take, judged by stages of the same sort."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from harness.execution.states import StageStates
from harness.plan.stage import Stage
from harness.store.stage import StageFile

_EXCLUSIVE = "measure"


class Estimator:
    """Mean wall time of a stage, by kind; a kind never seen counts as the mean of all that was seen."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._seen: Counter[str] = Counter()

    def learn(self, kind: str, seconds: float) -> None:
        """Notes what one stage took."""
        self._seconds[kind] += seconds
        self._seen[kind] += 1

    def remaining(self, stages: Mapping[str, int], workers: int = 1) -> float | None:
        """Returns the seconds that so many stages of each kind will take; `None` if nothing was ever seen.

        Measurements run alone. The rest is shared by the workers, and takes at least as long as its longest stage.
        """
        if not stages:
            return 0.0
        if not self._seen:
            return None
        shared = {kind: self._expected(kind) for kind in stages if kind != _EXCLUSIVE}
        total = sum(stages[kind] * seconds for kind, seconds in shared.items())
        alone = stages[_EXCLUSIVE] * self._expected(_EXCLUSIVE) if _EXCLUSIVE in stages else 0.0
        return alone + max(total / workers, max(shared.values(), default=0.0))

    def _expected(self, kind: str) -> float:
        if self._seen[kind]:
            return self._seconds[kind] / self._seen[kind]
        return sum(self._seconds.values()) / self._seen.total()


def taught_estimator(states: StageStates, earlier: Iterable[StageFile]) -> Estimator:
    """Returns an estimator that has learnt from the plan's own complete stages; without any, from earlier ones.

    Args:
        states: Where the stages of the plan stand.
        earlier: Other complete stages in the results folder; looked at only if something is to be run.
    """
    estimator = Estimator()
    for stage, seconds in states.seconds.items():
        estimator.learn(stage.kind, seconds)
    if not states.seconds and states.any_ready():
        for file in earlier:
            estimator.learn(file.kind, file.seconds)
    return estimator


def by_kind(stages: Iterable[Stage]) -> Counter[str]:
    """Returns how many stages of each kind there are."""
    return Counter(stage.kind for stage in stages)
