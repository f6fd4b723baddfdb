"""What a method must beat: random choices under the same conditions."""

from __future__ import annotations

from collections.abc import Sequence

from harness.store.record import CellRecord

ARBITRARY = ("random", "uniform")
"""Names of the methods that choose without looking. Trained from fresh weights, random channels of equally narrow
layers are what the first ones are, so that `uniform` stands for `random` there."""


def below_random(record: CellRecord, others: Sequence[CellRecord]) -> bool | None:
    """Returns whether a cell ends with a worse primary metric than random choices do.

    `None` where there is nothing to compare: no complete cell of `random` (or else of `uniform`) with the same setting,
    target and steps behind it, or the cell is one itself. One seed says little; that is for the reader to weigh.

    Args:
        record: A cell.
        others: The cells of the same model, data set, seed, protocol and training.
    """
    alike = [other for other in others if other.method in ARBITRARY and _conditions(other) == _conditions(record)]
    rivals = sorted(alike, key=lambda other: ARBITRARY.index(other.method))
    mine = _final(record)
    theirs = [value for rival in rivals if (value := _final(rival)) is not None]
    if record.method in ARBITRARY or mine is None or not theirs:
        return None
    if record.metric_info[record.primary_metric].higher_is_better:
        return mine < theirs[0]
    return mine > theirs[0]


def _conditions(record: CellRecord) -> tuple[object, ...]:
    return str(record.setting), record.ratio_of, record.pipeline.partition("+")[2]


def _final(record: CellRecord) -> float | None:
    metrics = record.steps[-1].metrics if record.steps else None
    return (metrics or {}).get(record.primary_metric) if record.status == "complete" else None
