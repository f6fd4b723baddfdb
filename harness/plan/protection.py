"""`protect` of a benchmark: layers that every method which can leaves alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from harness.errors import UserError
from harness.registry import MethodDescriptor
from harness.spec.method_call import MethodCall

OPTION = "protect"
"""Name of the option, and of the benchmark's key, that lists patterns of layers."""


def protected_calls(
    calls: Sequence[MethodCall], patterns: Sequence[str], describe: Callable[[str], MethodDescriptor]
) -> list[MethodCall]:
    """Returns the calls, those of methods with an option `protect` with further patterns behind their own.

    Args:
        calls: Methods with their options.
        patterns: Patterns of layers; none for the calls as they are.
        describe: Returns what a method says of itself, by name.

    Raises:
        UserError: There are patterns, but no method takes them.
    """
    if patterns and not any(_can_protect(describe(call.name)) for call in calls):
        names = ", ".join(dict.fromkeys(call.name for call in calls))
        message = f"--{OPTION}: no method among {names} can leave layers alone"
        raise UserError(message, f"Methods with an option `{OPTION}` can: those of structured pruning.")
    return [protected_call(call, patterns, describe(call.name)) for call in calls]


def protected_call(call: MethodCall, patterns: Sequence[str], descriptor: MethodDescriptor) -> MethodCall:
    """Returns the call with further patterns behind those that it has; the call itself if the method takes none."""
    if not patterns or not _can_protect(descriptor):
        return call
    written = call.options.get(OPTION, ())
    own = [written] if isinstance(written, str) else list(written)
    return MethodCall(call.name, call.setting, {**call.options, OPTION: list(dict.fromkeys([*own, *patterns]))})


def _can_protect(descriptor: MethodDescriptor) -> bool:
    return OPTION in descriptor.options.model_fields
