"""Which cells the VSS benchmark would have run together, and what it would have called them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, TypeVar

Cell = Mapping[str, Any]
Value = TypeVar("Value")


@dataclass(frozen=True)
class Experiments:
    """The experiments of one summary: those of one protocol and one seed.

    Attributes:
        folder: Where their files lie; empty for those that the last benchmark asked for.
        protocol: Their protocol; `None` without any.
        seed: Their seed; `None` without any.
        cells: Their cells, in the order of the records.
    """

    folder: PurePosixPath
    protocol: str | None
    seed: int | None
    cells: tuple[Cell, ...]

    @property
    def names(self) -> list[str]:
        """What the experiments are called."""
        return experiment_names(self.cells)


def grouped_experiments(cells: Sequence[Cell], benchmark: Mapping[str, Any]) -> list[Experiments]:
    """Returns the cells with a ratio by protocol and seed.

    The original knows one run of a method and ratio, and its figures under two protocols do not compare. What the last
    benchmark asked for, its protocol and the first of its seeds, comes first and has no folder of its own; another
    protocol has a folder of its name, and a further seed `seed<N>` below that of its protocol.

    Args:
        cells: Records as plain JSON.
        benchmark: What the last run was asked for; may be empty.
    """
    groups: dict[tuple[str, int], list[Cell]] = {}
    for cell in cells:
        if cell["ratio"] is not None:
            groups.setdefault((cell["protocol"], cell["seed"]), []).append(cell)
    found: list[Experiments] = []
    protocols = sorted({protocol for protocol, _ in groups})
    for protocol in _asked_first(protocols, [benchmark.get("protocol") or "corrected"]):
        above = PurePosixPath(protocol) if found else PurePosixPath()
        seeds = sorted(seed for other, seed in groups if other == protocol)
        for place, seed in enumerate(_asked_first(seeds, benchmark.get("seeds") or ())):
            folder = above / f"seed{seed}" if place else above
            found.append(Experiments(folder, protocol, seed, tuple(groups[protocol, seed])))
    return found or [Experiments(PurePosixPath(), None, None, ())]


def experiment_names(cells: Sequence[Cell]) -> list[str]:
    """Returns what the experiments of some cells are called, all differently."""
    seen: Counter[str] = Counter()
    names = []
    for cell in cells:
        name = f"{cell['method']}_{cell['ratio']:.2f}".replace(".", "_")
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name}__{cell['cell']}")
    return names


def _asked_first(values: Sequence[Value], asked: Sequence[Value]) -> list[Value]:
    """Returns the values in the order in which they were asked for, those that were not behind them."""
    return [*(value for value in asked if value in values), *(value for value in values if value not in asked)]
