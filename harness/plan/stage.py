"""A planned stage: one unit of work and where it stands in the graph."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.plan.identity import StageFields, identity_of
from harness.store.stage import StageKind


@dataclass(frozen=True)
class Stage:
    """One unit of work; cells whose stages have equal identities share them.

    Attributes:
        fields: What determines the outcome.
        label: What people call it, e.g. `"compress fpgm@0.5"`.
        subject: The cell-like context in which it stands, e.g. `"residual_fcn · digits · seed 0"`.
        inputs: The stages it starts from, by role.
    """

    fields: StageFields
    label: str
    subject: str
    inputs: tuple[tuple[str, Stage], ...] = ()

    @property
    def kind(self) -> StageKind:
        """Which of the six stages it is."""
        return self.fields.kind

    @cached_property
    def identity(self) -> str:
        """The hash of everything that determines the outcome."""
        return identity_of(self.fields)

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and other.identity == self.identity
