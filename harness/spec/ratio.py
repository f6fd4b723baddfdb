"""A ratio: the fraction that is removed."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field


def checked_ratio(value: Any) -> float:
    """Returns the value as a float.

    Raises:
        ValueError: It is not a number that is at least 0 and below 1.
    """
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1:
        return float(value) + 0.0  # no negative zero
    message = f"{value} is not a ratio: it must be at least 0 and below 1 (0.5 removes half)"
    raise ValueError(message)


Ratio = Annotated[float, BeforeValidator(checked_ratio), Field(ge=0, lt=1)]
"""A pydantic field type: the fraction removed, at least 0 and below 1."""
