"""Training budgets: how long and how a model may be trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import UserError

_UNSTATED: dict[str, Any] = {
    "clip_norm": None, "accumulate": 1, "activation_checkpointing": [], "processes": 1,
}  # fmt: skip
_UNSTATED_SCHEDULE: dict[str, Any] = {
    "pct_start": 0.3, "div_factor": 25.0, "final_div_factor": 1e4, "eta_min": 0.0, "milestones": [0.67, 0.92],
    "gamma": 0.1, "first_period": 0.25, "period_factor": 1.0, "patience": 5, "window": 50, "warmup": 0,
}  # fmt: skip
"""What results were made with before there was a key for it. A default that changes must leave these as they are."""

Fraction = Annotated[float, Field(gt=0, lt=1)]


class Schedule(BaseModel):
    """How the learning rate moves over the budget's iterations.

    `onecycle` rises from a fraction of `max_lr` to it and anneals to nearly zero; `poly` decays with `power`; `cosine`
    anneals; `restarts` anneals in periods, each from the full rate; `multistep` multiplies with `gamma` at each
    milestone; `plateau` does so when the mean training loss of `patience` windows in turn was no better than before
    (there is no validation during a training); `constant` stays.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["onecycle", "poly", "cosine", "restarts", "multistep", "plateau", "constant"] = Field(
        default="onecycle", description="The curve."
    )
    max_lr: float | None = Field(default=None, gt=0, description="Peak of onecycle; default: the optimiser's.")
    pct_start: Fraction = Field(default=0.3, description="Fraction of onecycle's iterations in which it rises.")
    div_factor: float = Field(default=25.0, ge=1, description="Onecycle begins at `max_lr` / this.")
    final_div_factor: float = Field(default=1e4, ge=1, description="Onecycle ends at where it began / this.")
    power: float = Field(default=0.9, gt=0, description="Exponent of poly.")
    eta_min: float = Field(default=0.0, ge=0, description="Lowest rate of poly, cosine, restarts and plateau.")
    milestones: tuple[Fraction, ...] = Field(
        default=(0.67, 0.92), description="Fractions of multistep's iterations behind which the rate falls."
    )
    gamma: float = Field(default=0.1, gt=0, lt=1, description="Factor of each fall of multistep and plateau.")
    first_period: float = Field(
        default=0.25, gt=0, le=1, description="Fraction of restarts' iterations up to the first."
    )
    period_factor: float = Field(default=1.0, ge=1, description="Length of each further period / that before it.")
    patience: int = Field(default=5, ge=0, description="Windows without a better loss that plateau waits for.")
    window: int = Field(default=50, ge=1, description="Iterations whose mean loss plateau compares.")
    warmup: int = Field(default=0, ge=0, description="Iterations of a linear rise before the curve; not for onecycle.")

    def stated(self) -> dict[str, Any]:
        """Returns what an identity holds of it; see `TrainingBudget.stated`."""
        return _without(self.model_dump(mode="json"), _UNSTATED_SCHEDULE)


class TrainingBudget(BaseModel):
    """What one training may spend; the same for every method of a benchmark."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    iterations: int = Field(default=1000, ge=1, description="Batches; each is an optimiser step, unless `accumulate`.")
    batch_size: int = Field(default=16, ge=1, description="Images a batch.")
    optimizer: dict[str, Any] = Field(
        default_factory=lambda: {"type": "AdamW", "lr": 3e-3, "weight_decay": 0.01},
        description="An mmengine optimiser config: type, lr, ...",
    )
    schedule: Schedule = Field(default_factory=Schedule, description="How the learning rate moves.")
    amp: bool = Field(default=False, description="Automatic mixed precision.")
    clip_norm: float | None = Field(default=None, gt=0, description="Longest gradient (L2 norm over all weights).")
    accumulate: int = Field(default=1, ge=1, description="Batches whose gradients are averaged to one optimiser step.")
    activation_checkpointing: tuple[str, ...] = Field(
        default=(),
        description="Modules that compute activations twice instead of keeping them: less memory, more time.",
    )
    processes: int = Field(
        default=1, ge=1, description="Processes that share each batch evenly, each on a GPU of its own."
    )

    def stated(self) -> dict[str, Any]:
        """Returns the JSON of what an identity holds of it: all, but for newer keys that leave the training as it was.

        Results of versions before a key are thus found again, as long as nobody uses it.
        """
        return {**_without(self.model_dump(mode="json"), _UNSTATED), "schedule": self.schedule.stated()}


def _without(content: dict[str, Any], unstated: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key not in unstated or value != unstated[key]}


def completed_budget(partial: TrainingBudget | None, base: TrainingBudget | Mapping[str, Any]) -> TrainingBudget:
    """Returns `base` with what `partial` states laid over it.

    Sections are merged key by key, except that an optimiser with a `type` of its own replaces the base's.

    Args:
        partial: A budget of which only the written keys count.
        base: A budget, or some keys of one: a model's recommendation.

    Raises:
        UserError: A warm-up is asked for in front of onecycle, or the processes cannot share a batch evenly.
    """
    known = base if isinstance(base, TrainingBudget) else TrainingBudget.model_validate(dict(base))
    full = known.model_dump()
    for key, value in (partial.model_dump(exclude_unset=True) if partial else {}).items():
        merged = isinstance(value, dict) and not (key == "optimizer" and "type" in value)
        full[key] = {**full[key], **value} if merged else value
    completed = TrainingBudget.model_validate(full)
    if completed.schedule.warmup and completed.schedule.type == "onecycle":
        message = (
            f"schedule.warmup: {completed.schedule.warmup} iterations are asked for, and onecycle begins with a rise"
        )
        raise UserError(message, "Write schedule.pct_start for its length, or another schedule.type, e.g. poly.")
    if completed.batch_size % completed.processes:
        message = f"processes: {completed.processes} cannot share a batch of {completed.batch_size} evenly"
        raise UserError(message, "Choose a batch_size, which is that of all processes together, that they divide.")
    return completed


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
