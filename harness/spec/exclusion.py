"""Rules that drop cells from a benchmark's grid."""

from __future__ import annotations

from pydantic import model_validator

from harness.spec.cell_rule import CellFacts, CellRule, matches


class Exclusion(CellRule):
    """Drops the cells that match every given key; a key matches any of its values."""

    @model_validator(mode="after")
    def _has_a_key(self) -> Exclusion:
        if not self.wanted():
            message = f"an empty rule would drop every cell; keys are {', '.join(type(self).model_fields)}"
            raise ValueError(message)
        return self


def excluded(rule: Exclusion, facts: CellFacts) -> bool:
    """Returns whether a cell with these facts is dropped.

    Example:
        >>> rule = Exclusion(method="fpgm", ratio=[0.8, 0.9])
        >>> excluded(rule, {"method": ["fpgm", "finetune"], "ratio": 0.8}), excluded(rule, {"method": "fpgm"})
        (True, False)
    """
    return matches(rule.wanted(), facts)
