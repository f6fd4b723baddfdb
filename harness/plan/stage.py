"""A planned stage: one unit of work and where it stands in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from harness.plan.identity import StageFields, identity_of
from harness.store.stage import StageKind


@dataclass(frozen=True, eq=False, slots=True)
class Stage:
    """One unit of work; cells whose stages have equal identities share them.

    Attributes:
        fields: What determines the outcome.
        label: What people call it, e.g. `"compress fpgm@0.5"`.
        subject: The cell-like context in which it stands, e.g. `"residual_fcn · digits · seed 0"`.
        inputs: The stages it starts from, by role.
        checkpoint: Where the weights are that a `train` stage loads; the identity knows their content, not the place.
        identity: The hash of everything that determines the outcome; made from `fields` where it is not given.
        share: How much it is of a whole one of its kind, for estimates of time: below 1 for the recovery of one pass.
    """

    fields: StageFields
    label: str
    subject: str
    inputs: tuple[tuple[str, Stage], ...] = ()
    checkpoint: Path | None = None
    identity: str = ""
    share: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        if not self.identity:
            object.__setattr__(self, "identity", identity_of(self.fields))

    @property
    def kind(self) -> StageKind:
        """Which of the six stages it is."""
        return self.fields.kind

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and other.identity == self.identity
