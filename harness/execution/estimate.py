"""How long the rest will take, judged by stages of the same sort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from fractions import Fraction

from harness.execution.states import StageStates
from harness.plan.stage import Stage
from harness.store.stage import StageFile

_EXCLUSIVE = "measure"


class Estimator:
    """Mean wall time of a whole stage, by kind; a kind never seen counts as the mean of all that was seen."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._seen: defaultdict[str, Fraction] = defaultdict(Fraction)

    def learn(self, kind: str, seconds: float, share: Fraction = Fraction(1)) -> None:
        """Notes what one stage took, and how much of a whole one it was."""
        self._seconds[kind] += seconds
        self._seen[kind] += share

    def remaining(self, stages: Mapping[str, Fraction], workers: int = 1) -> float | None:
        """Returns the seconds that so many whole stages of each kind will take; `None` if nothing was ever seen.

        Measurements run alone. The rest is shared by the workers, and takes at least as long as its longest stage.
        """
        if not stages:
            return 0.0
        if not self._seen:
            return None
        counts = {kind: float(count) for kind, count in stages.items()}
        shared = {kind: self._expected(kind) for kind in counts if kind != _EXCLUSIVE}
        total = sum(counts[kind] * seconds for kind, seconds in shared.items())
        longest = max((min(counts[kind], 1.0) * seconds for kind, seconds in shared.items()), default=0.0)
        alone = counts[_EXCLUSIVE] * self._expected(_EXCLUSIVE) if _EXCLUSIVE in counts else 0.0
        return alone + max(total / workers, longest)

    def _expected(self, kind: str) -> float:
        if kind in self._seen:
            return self._seconds[kind] / float(self._seen[kind])
        return sum(self._seconds.values()) / float(sum(self._seen.values()))


def taught_estimator(states: StageStates, earlier: Iterable[StageFile]) -> Estimator:
    """Returns an estimator that has learnt from the plan's own complete stages; without any, from earlier ones.

    Args:
        states: Where the stages of the plan stand.
        earlier: Other complete stages in the results folder; looked at only if something is to be run.
    """
    estimator = Estimator()
    for stage, seconds in states.seconds.items():
        estimator.learn(stage.kind, seconds, stage.share)
    if not states.seconds and states.any_ready():
        for file in earlier:
            estimator.learn(file.kind, file.seconds)
    return estimator


def by_kind(stages: Iterable[Stage]) -> dict[str, Fraction]:
    """Returns how many whole stages of each kind there are; passes that share a budget are one together."""
    counted: defaultdict[str, Fraction] = defaultdict(Fraction)
    for stage in stages:
        counted[stage.kind] += stage.share
    return dict(counted)
