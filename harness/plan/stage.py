"""A planned stage: one unit of work and where it stands in the graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

from harness.plan.identity import StageFields, identity_of
from harness.registry.starting import BACKBONE
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
        paths: Options of the data set and of the model that say where files lie, by role, as absolute paths.
    """

    fields: StageFields
    label: str
    subject: str
    inputs: tuple[tuple[str, Stage], ...] = ()
    checkpoint: Path | None = None
    identity: str = ""
    share: Fraction = Fraction(1)
    paths: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.identity:
            object.__setattr__(self, "identity", identity_of(self.fields))

    @property
    def kind(self) -> StageKind:
        """Which kind of stage it is."""
        return self.fields.kind

    @property
    def foreign_weights(self) -> Path | None:
        """The file of weights that the stage reads and no stage has made."""
        backbone = self.paths.get("model", {}).get(BACKBONE)
        return self.checkpoint or (Path(backbone) if backbone else None)

    def __hash__(self) -> int:
        return hash(self.identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stage) and other.identity == self.identity
