"""`--force` and `--no-skip-existing`: which stages run again although they are there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, get_args

from harness.cli.options import names_of
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.plan.stage import Stage


def force_rule(text: str | None, *, skip_existing: bool) -> Callable[[Stage], bool] | None:
    """Returns the rule behind `all` or a list of kinds of stages; `None` if nothing is forced.

    Args:
        text: The flag's value.
        skip_existing: Whether complete stages are kept; without, all are forced.

    Raises:
        UserError: There is no such kind of stage.
    """
    from harness.spec.suggestion import did_you_mean
    from harness.store.stage import StageKind

    kinds = set(get_args(StageKind))
    asked = set(names_of(text))
    for kind in sorted(asked - kinds - {"all"}):
        message = f"--force: {kind!r} is not a stage"
        raise UserError(message, did_you_mean(kind, [*kinds, "all"], "stages"))
    if "all" in asked or not skip_existing:
        return lambda stage: True
    return (lambda stage: stage.kind in asked) if asked else None
