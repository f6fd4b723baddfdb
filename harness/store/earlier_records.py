"""Records of earlier versions: what has come to the format since, as null with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.store.comparison import NO_ORACLE

LABELS_NOT_NOTED = "its evaluations were made by an earlier version, which did not note it"
"""Why a record does not say what the labels of its data set are."""
CONVOLUTIONS_NOT_COUNTED = "the model was made by an earlier version, which did not count them"
"""Why a size has no convolutions."""


def with_later_parts(content: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of a record with every part that has come since, and why it is not known.

    The reasons are those that a record which is made today from the same stages has.
    """
    missing = content.get("missing")
    if not isinstance(missing, dict):
        return content
    later = {
        "comparison": NO_ORACLE,
        "labels": missing.get("baseline.metrics", LABELS_NOT_NOTED),
    }
    reasons = {name: reason for name, reason in later.items() if name not in content}
    sizes = {f"{path}.convolutions": CONVOLUTIONS_NOT_COUNTED for path in _sizes_without_convolutions(content)}
    return {**dict.fromkeys(reasons), **content, "missing": {**missing, **reasons, **sizes}}


def _sizes_without_convolutions(content: dict[str, Any]) -> Iterator[str]:
    steps = content.get("steps")
    models = [("baseline", content.get("baseline"))]
    models += [(f"steps.{index}", step) for index, step in enumerate(steps if isinstance(steps, list) else [])]
    for path, model in models:
        size = model.get("size") if isinstance(model, dict) else None
        if isinstance(size, dict) and "convolutions" not in size:
            yield f"{path}.size"
