"""How long the rest will take, judged by stages of the same sort."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from harness.plan.stage import Stage
from harness.store.layout import Layout
from harness.store.stage import read_stage


class Estimator:
    """Mean wall time of a stage, by kind."""

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

    def remaining(self, stages: Iterable[Stage]) -> float | None:
        """Returns the seconds that `stages` will take one after another; `None` if a kind was never seen."""
        total = 0.0
        for stage in stages:
            seen = self._seconds.get(stage.kind)
            if not seen:
                return None
            total += sum(seen) / len(seen)
        return total
