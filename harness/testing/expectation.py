"""What a check says when it fails: what was found, and what the plugin's author can do."""

from __future__ import annotations

import pytest


def require(held: object, problem: str, advice: str) -> None:
    """Fails the running test, without a traceback of the suite's own code, unless `held` is true.

    Args:
        held: Whether what is checked holds.
        problem: What was found.
        advice: What to do about it.
    """
    if not held:
        pytest.fail(f"{problem}\n  {advice}", pytrace=False)
