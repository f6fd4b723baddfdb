"""Rules that drop cells from a benchmark's grid."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.spec.listing import Listed
from harness.spec.ratio import Ratio


class Exclusion(BaseModel):
    """Drops the cells that match every given key; a key matches any of its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Listed[str] = Field(default=(), description="Models.")
    dataset: Listed[str] = Field(default=(), description="Data sets.")
    method: Listed[str] = Field(default=(), description="Methods, in any step of the pipeline.")
    ratio: Listed[Ratio] = Field(default=(), description="Ratios.")
    precision: Listed[str] = Field(default=(), description="Precisions.")
    seed: Listed[int] = Field(default=(), description="Seeds.")

    @model_validator(mode="after")
    def _has_a_key(self) -> Exclusion:
        if not any(getattr(self, key) for key in type(self).model_fields):
            message = f"an empty rule would drop every cell; keys are {', '.join(type(self).model_fields)}"
            raise ValueError(message)
        return self


def excluded(rule: Exclusion, facts: Mapping[str, Any]) -> bool:
    """Returns whether a cell with these facts is dropped.

    Args:
        rule: What to drop.
        facts: The cell's `model`, `dataset`, `method`, `ratio`, `precision` and `seed`; a value, or a
            collection where a pipeline has several. What a cell does not have is `None` or left out.

    Example:
        >>> rule = Exclusion(method="fpgm", ratio=[0.8, 0.9])
        >>> excluded(rule, {"method": ["fpgm", "finetune"], "ratio": 0.8}), excluded(rule, {"method": "fpgm"})
        (True, False)
    """
    wanted = {key: getattr(rule, key) for key in type(rule).model_fields if getattr(rule, key)}
    return all(_matches(values, facts.get(key)) for key, values in wanted.items())


def _matches(wanted: tuple[Any, ...], fact: Any) -> bool:
    facts = fact if isinstance(fact, Collection) and not isinstance(fact, str) else [fact]
    return any(_same(value, item) for value in wanted for item in facts)


def _same(value: Any, fact: Any) -> bool:
    if isinstance(value, float) and isinstance(fact, (int, float)):
        return math.isclose(value, fact, abs_tol=1e-9)
    return bool(value == fact)
