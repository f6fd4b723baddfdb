"""Rules that some cells match: by model, data set, method, setting and seed."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.spec.listing import Listed
from harness.spec.ratio import Ratio

CellFacts = Mapping[str, Any]
"""A cell's `model`, `dataset`, `method`, `ratio`, `precision`, `seed` and `pipeline`; a value, or a collection where a
pipeline has several. What a cell does not have is `None` or left out."""


class CellRule(BaseModel):
    """Matches the cells that match every given key; a key matches any of its values."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Listed[str] = Field(default=(), description="Models.")
    dataset: Listed[str] = Field(default=(), description="Data sets.")
    method: Listed[str] = Field(default=(), description="Methods, in any step of the pipeline.")
    ratio: Listed[Ratio] = Field(default=(), description="Ratios.")
    precision: Listed[str] = Field(default=(), description="Precisions.")
    seed: Listed[int] = Field(default=(), description="Seeds.")

    def wanted(self) -> dict[str, tuple[Any, ...]]:
        """Returns what the given keys ask for."""
        return {key: getattr(self, key) for key in CellRule.model_fields if getattr(self, key)}


def matches(wanted: Mapping[str, tuple[Any, ...]], facts: CellFacts) -> bool:
    """Returns whether a cell with these facts has one of the wanted values for every key.

    Example:
        >>> rule = CellRule(method="fpgm", ratio=[0.8, 0.9])
        >>> matches(rule.wanted(), {"method": ["fpgm", "finetune"], "ratio": 0.8})
        True
    """
    return all(_has_one(values, facts.get(key)) for key, values in wanted.items())


def _has_one(wanted: tuple[Any, ...], fact: Any) -> bool:
    facts = fact if isinstance(fact, Collection) and not isinstance(fact, str) else [fact]
    return any(_same(value, item) for value in wanted for item in facts)


def _same(value: Any, fact: Any) -> bool:
    if isinstance(value, float) and isinstance(fact, (int, float)):
        return math.isclose(value, fact, abs_tol=1e-9)
    return bool(value == fact)
