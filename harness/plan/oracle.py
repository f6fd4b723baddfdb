"""What the stages `oracle` and `compare` are about; see `docs/design/oracle.md`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.plan.cell import Cell
from harness.plan.choice import Choices
from harness.plan.passes import Pass
from harness.registry import Metric
from harness.spec.benchmark import Oracle


@dataclass(frozen=True)
class Ranking:
    """Whose ranking of channels is held against an oracle of the baseline.

    Attributes:
        part: The pass whose method ranks the baseline's channels; `None` where none does.
        trains_first: Name of the method that would be asked if it did not train before it ranks; empty otherwise.
    """

    part: Pass | None = None
    trains_first: str = ""

    @property
    def text(self) -> str:
        """What tells comparisons of one place apart."""
        return self.part.text if self.part is not None else self.trains_first


def oracle_parameters(oracle: Oracle, metric: Metric, cell: Cell) -> dict[str, Any]:
    """Returns what an oracle's identity states of it.

    Args:
        oracle: What the benchmark asks.
        metric: Its drop is what a channel is worth.
        cell: One of the cells that it is for.
    """
    return {
        "oracle": oracle.model_dump(mode="json"),
        "metric": {"name": metric.name, "higher_is_better": metric.higher_is_better},
        "seed": cell.seed,
        "protocol": cell.protocol,
    }


def comparison_parameters(oracle: Oracle, cell: Cell, ranking: Ranking) -> dict[str, Any]:
    """Returns what a comparison's identity states of it, besides a method whose ranking is looked at."""
    parameters = {"batch_size": oracle.batch_size, "seed": cell.seed, "protocol": cell.protocol}
    return {**parameters, "trains_first": ranking.trains_first} if ranking.trains_first else parameters


def ranking_of(passes: Iterable[Pass], choices: Choices) -> Ranking:
    """Returns whose ranking is looked at: that of the first compressor, if no training comes before it.

    What ranks the channels of another model, such as one that its own preparation has trained, cannot be held against
    an oracle of the baseline.
    """
    for part in passes:
        name = part.step.calls[0].name
        first = choices.describe(name)
        if first.kind == "compressor":
            return Ranking(trains_first=name) if "training" in first.needs else Ranking(part)
        if first.trains:
            return Ranking()
    return Ranking()
