"""How far a plan is carried out: `bench run` to its end, the single-step commands to the stage of their name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from harness.plan.stage import Stage

Goal = Literal["train", "compress", "recover", "evaluate", "measure"]


def _is_baseline(stage: Stage) -> bool:
    """Whether it is the training of a baseline or its evaluation."""
    sources = {source.kind for _, source in stage.inputs}
    return stage.kind == "train" or (stage.kind == "evaluate" and sources == {"train"})


_ENDS: Mapping[Goal, Callable[[Stage], bool]] = {
    "train": _is_baseline,
    "compress": lambda stage: stage.kind in ("train", "compress"),
    "recover": lambda stage: stage.kind in ("train", "compress", "recover"),
    "evaluate": lambda stage: stage.kind != "measure",
    "measure": lambda stage: stage.kind == "measure",
}


def stages_towards(goal: Goal, stages: Iterable[Stage]) -> tuple[Stage, ...]:
    """Returns the stages that a goal takes: its own, and all that these start from.

    * `train`: the baselines and their evaluations.
    * `compress`: all compressions. Those of a second compressor or pass start from the recoveries before them.
    * `recover`: all recoveries, and compressions without one.
    * `evaluate`: everything but measurements.
    * `measure`: measurements and the models that they are about, without evaluations.

    Args:
        goal: What is to be reached.
        stages: All stages of a plan, each behind its inputs.
    """
    ordered = tuple(stages)
    taken: set[Stage] = set()
    for stage in reversed(ordered):
        if stage in taken or _ENDS[goal](stage):
            taken.add(stage)
            taken.update(source for _, source in stage.inputs)
    return tuple(stage for stage in ordered if stage in taken)
