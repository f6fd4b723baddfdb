"""How long the rest will take, judged by stages of the same sort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain
from statistics import fmean

from harness.plan.stage import Stage
from harness.store.layout import Layout
from harness.store.stage import read_stage

_EXCLUSIVE = "measure"


class Estimator:
    """Mean wall time of a stage, by kind; a kind never seen counts as the mean of all that was seen."""

    def __init__(self) -> None:
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def learn(self, stage: Stage, seconds: float) -> None:
        """Notes what one stage took."""
        self._seconds[stage.kind].append(seconds)

    def learn_from(self, stages: Iterable[Stage], layout: Layout) -> None:
        """Notes what the complete stages in a results folder took."""
        for stage in stages:
            if (file := read_stage(layout, stage.kind, stage.identity)) is not None:
                self.learn(stage, file.seconds)

    def remaining(self, stages: Iterable[Stage], workers: int = 1) -> float | None:
        """Returns the seconds that `stages` will take; `None` if nothing was ever seen.

        Measurements run alone. The rest is shared by the workers, and takes at least as long as its longest stage.
        """
        waiting = list(stages)
        if waiting and not self._seconds:
            return None
        alone = sum(self._expected(stage) for stage in waiting if stage.kind == _EXCLUSIVE)
        shared = [self._expected(stage) for stage in waiting if stage.kind != _EXCLUSIVE]
        return alone + max(sum(shared) / workers, max(shared, default=0.0))

    def _expected(self, stage: Stage) -> float:
        return fmean(self._seconds.get(stage.kind) or chain.from_iterable(self._seconds.values()))
