"""`--retry`: which failed or interrupted stages are tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from harness.cli.options import names_of
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.execution.states import RetryRule


def retry_rule(text: str) -> RetryRule:
    """Returns the rule behind `none`, `all`, or a list of `interrupted` and failure kinds.

    Interrupted stages are continued unless `none` is asked for.

    Raises:
        UserError: A kind does not exist, or `none` or `all` is not alone.
    """
    from harness.execution.states import RetryRule
    from harness.spec.suggestion import did_you_mean
    from harness.store.failure import FailureKind

    kinds = set(get_args(FailureKind))
    asked = set(names_of(text))
    if asked == {"none"}:
        return RetryRule(interrupted=False)
    if asked == {"all"}:
        return RetryRule(failed=lambda failure: True)
    for word in sorted(asked & {"none", "all"}):
        message = f"--retry: {word!r} stands alone"
        raise UserError(message, f"Write --retry {word}, or name kinds: {', '.join(['interrupted', *sorted(kinds)])}")
    for kind in sorted(asked - kinds - {"interrupted"}):
        message = f"--retry: {kind!r} is not a kind of failure"
        raise UserError(message, did_you_mean(kind, [*kinds, "interrupted", "all", "none"], "kinds"))
    return RetryRule(failed=lambda failure: failure.kind in asked)
