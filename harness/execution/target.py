"""Whether a cell got to the ratio that it was asked for."""

from __future__ import annotations

from collections.abc import Mapping

from harness.plan.cell import PlannedCell
from harness.plan.stage import Stage
from harness.registry import MethodDescriptor
from harness.store.record import Achieved, TargetResult
from harness.store.stage import StageFile

TOLERANCE = 0.01
"""A target is missed where what is left is further than this from what was wanted, relative to the latter."""

_ROUNDING = 1e-9


def cell_target(
    planned: PlannedCell,
    files: Mapping[Stage, StageFile | None],
    achieved: Achieved,
    methods: Mapping[str, MethodDescriptor],
) -> TargetResult | None:
    """Returns what was asked for and what all passes together reached.

    `None` where the setting is not a ratio, the pipeline has several compressors, whose ratios do not add up to one
    target, or a compression is not complete.

    Args:
        planned: The cell.
        files: Its stages, `None` for those that are not complete.
        achieved: What the whole pipeline removed.
        methods: Method descriptors by name.
    """
    cell = planned.cell
    calls = [call for step in cell.pipeline.steps for call in step.calls if methods[call.name].kind == "compressor"]
    made = [files[point.made] for point in planned.points if point.kind == "compress"]
    reached = getattr(achieved, cell.ratio_of, None)
    ratio = cell.setting if methods[cell.method].axis == "ratio" else None
    if len(calls) != 1 or not isinstance(ratio, float) or reached is None or None in made:
        return None
    missed = abs(ratio - reached) > TOLERANCE * (1 - ratio) + _ROUNDING
    return TargetResult(
        of=cell.ratio_of, asked=ratio, reached=reached, missed=missed, reason=_reason(made) if missed else None
    )


def _reason(made: list[StageFile | None]) -> str:
    """Returns why, in the method's words where it has any."""
    for file in made:
        target = file.result.get("details", {}).get("target") if file is not None else None
        if isinstance(target, dict) and target.get("reason"):
            return str(target["reason"])
    if len(made) > 1:
        return "each pass keeps whole channels, and what it cannot remove adds up"
    return "the method does not say"
