"""Which pruning methods have a protocol `seed`, without torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.registry.descriptors import MethodDescriptor

if TYPE_CHECKING:
    from typing_extensions import Self

AS_CORRECTED = "corrected"
"""Instead of the name of a score: protocol `seed` makes no difference."""

NOT_IN_IT = "the first VSS benchmark did not have it"
NOT_SPECIFIED = "how the first VSS benchmark trained its gates, against random targets, is not specified closely enough"

_OTHERS = "Use protocol corrected, or taylor, slimming, fpgm, l1, l2, random, fgp or sirfp."


@dataclass(frozen=True, kw_only=True)
class PruningDescriptor(MethodDescriptor):
    """A pruning method.

    Attributes:
        seed_refusal: Why there is no protocol `seed` for it; empty where there is one.
        seed_targets: What its ratio may be a fraction of under protocol `seed`.
    """

    seed_refusal: str = NOT_IN_IT
    seed_targets: tuple[str, ...] = ("channels",)

    def under(self, protocol: str) -> Self:
        """Returns the descriptor as a protocol has it.

        Raises:
            UserError: Protocol `seed` does not have the method.
        """
        if protocol == "seed" and self.seed_refusal:
            raise refusal(self.name, self.seed_refusal)
        found = super().under(protocol)
        if protocol != "seed":
            return found
        # Scores of noise: nothing is trained, and no sample is read.
        return replace(found, ratio_targets=self.seed_targets, needs=found.needs - {"training", "samples"})


def refusal(name: str, reason: str) -> UserError:
    """Returns what tells that protocol `seed` does not have a method."""
    return UserError(f"{name} has no seed protocol: {reason}", _OTHERS)


def refusal_of_options(names: list[str]) -> UserError:
    """Returns what tells that protocol `seed` would ignore options that were written."""
    message = f"{', '.join(names)}: protocol seed prunes by one threshold over raw scores, and would ignore this"
    return UserError(message, "Leave it out, or use protocol corrected.")


def refusal_of_target(ratio_of: str) -> UserError:
    """Returns what tells that protocol `seed` has no ratio of parameters or MACs."""
    message = f"ratio_of={ratio_of}: a ratio of protocol seed is one of scored channels"
    return UserError(message, "Use --ratio-of channels, or protocol corrected.")
