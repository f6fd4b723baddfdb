"""Lists in benchmark files: one value may stand without brackets, and repeats count once."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator

ItemT = TypeVar("ItemT")


def _as_list(value: Any) -> Any:
    if value is None:
        return []
    return value if isinstance(value, (list, tuple)) else [value]


def _without_repeats(values: tuple[ItemT, ...]) -> tuple[ItemT, ...]:
    kept: list[ItemT] = []
    for value in values:
        if value not in kept:
            kept.append(value)
    return tuple(kept)


Listed = Annotated[tuple[ItemT, ...], BeforeValidator(_as_list), AfterValidator(_without_repeats)]
"""A pydantic field type: a tuple in the written order, without repeats."""
