"""What the stages `oracle` and `compare` are about; see `docs/design/oracle.md`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.plan.cell import Cell
from harness.plan.choice import Choices
from harness.plan.passes import Pass
from harness.registry import Metric
from harness.spec.benchmark import Oracle


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


def comparison_parameters(oracle: Oracle, cell: Cell) -> dict[str, Any]:
    """Returns what a comparison's identity states of it, besides a method."""
    return {"batch_size": oracle.batch_size, "seed": cell.seed, "protocol": cell.protocol}


def ranking_pass(passes: Iterable[Pass], choices: Choices) -> Pass | None:
    """Returns the pass whose method ranks channels of the baseline: a compressor that no training comes before.

    What ranks the channels of another model cannot be held against an oracle of the baseline.
    """
    for part in passes:
        first = choices.describe(part.step.calls[0].name)
        if first.kind == "compressor":
            return part
        if first.trains:
            return None
    return None
