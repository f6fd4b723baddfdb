"""Training budgets: how long and how a model may be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UserError


class Schedule(BaseModel):
    """How the learning rate moves over the budget's iterations.

    `onecycle` rises from `lr` to `max_lr` and anneals to nearly zero; `poly` decays with `power`;
    `cosine` anneals to zero; `constant` stays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["onecycle", "poly", "cosine", "constant"] = Field(default="onecycle", description="The curve.")
    max_lr: float | None = Field(default=None, gt=0, description="Peak of onecycle; default: the optimiser's.")
    power: float = Field(default=0.9, gt=0, description="Exponent of poly.")


class TrainingBudget(BaseModel):
    """What one training may spend; the same for every method of a benchmark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: int = Field(default=1000, ge=1, description="Optimiser steps.")
    batch_size: int = Field(default=16, ge=1, description="Images a step.")
    optimizer: dict[str, Any] = Field(
        default_factory=lambda: {"type": "AdamW", "lr": 3e-3, "weight_decay": 0.01},
        description="An mmengine optimiser config: type, lr, ...",
    )
    schedule: Schedule = Field(default_factory=Schedule, description="How the learning rate moves.")
    amp: bool = Field(default=False, description="Automatic mixed precision.")


def completed_budget(partial: TrainingBudget | None, base: TrainingBudget | Mapping[str, Any]) -> TrainingBudget:
    """Returns `base` with what `partial` states laid over it.

    Sections are merged key by key, except that an optimiser with a `type` of its own replaces the base's.

    Args:
        partial: A budget of which only the written keys count.
        base: A budget, or some keys of one: a model's recommendation.
    """
    known = base if isinstance(base, TrainingBudget) else TrainingBudget.model_validate(dict(base))
    full = known.model_dump()
    for key, value in (partial.model_dump(exclude_unset=True) if partial else {}).items():
        merged = isinstance(value, dict) and not (key == "optimizer" and "type" in value)
        full[key] = {**full[key], **value} if merged else value
    return TrainingBudget.model_validate(full)


def split_budget(budget: TrainingBudget, parts: int) -> list[TrainingBudget]:
    """Returns the budgets of trainings that spend one budget together, each with a schedule of its own.

    Iterations are split evenly; the last part has the rest too.

    Args:
        budget: The whole.
        parts: How many there are to be.

    Raises:
        UserError: A part would have no iteration.

    Example:
        >>> [part.iterations for part in split_budget(TrainingBudget(iterations=100), 3)]
        [33, 33, 34]
    """
    each, rest = divmod(budget.iterations, parts)
    if not each:
        message = f"a budget of {budget.iterations} iterations cannot be split into {parts} parts"
        raise UserError(message, f"Give it {parts} iterations at least, or ask for fewer steps.")
    last = parts - 1
    return [budget.model_copy(update={"iterations": each + rest * (number == last)}) for number in range(parts)]
