"""An entry of a benchmark's `methods`: a method, or a matrix of its options."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any

from harness.errors import UserError
from harness.spec.method_call import MethodCall
from harness.spec.pipeline import parse_pipeline


def method_variants(entry: str | Mapping[str, Any]) -> list[MethodCall]:
    """Returns the calls, without settings, that an entry stands for.

    Args:
        entry: `"fpgm"`, `"dist:fpgm"` or `"fpgm(option=value)"`; or a mapping of one method to its options,
            where a list of values stands for each of them (a list of lists for an option that is a list).

    Raises:
        UserError: The entry is something else, or its options cannot be written.

    Example:
        >>> [str(call) for call in method_variants({"l1": {"scope": ["global", "uniform"], "steps": 2}})]
        ['l1(scope=global;steps=2)', 'l1(scope=uniform;steps=2)']
    """
    if isinstance(entry, str):
        return [_single_call(entry)]
    if not isinstance(entry, Mapping) or len(entry) != 1:
        message = f"{entry!r} is not a method"
        raise UserError(message, "write a name, or one name with its options: {l1: {scope: [local, global]}}")
    ((name, options),) = entry.items()
    if not isinstance(options or {}, Mapping):
        message = f"the options of {name} are not a mapping: {options!r}"
        raise UserError(message, f"write them as {{{name}: {{option: value}}}}")
    choices = {key: _choices(name, key, value) for key, value in (options or {}).items()}
    matrix = product(*choices.values())
    return [MethodCall(str(name), None, dict(zip(choices, row, strict=True))) for row in matrix]


def _choices(name: str, key: str, value: Any) -> list[Any]:
    if isinstance(value, (list, tuple)):
        if not value:
            message = f"option {key} of {name} lists no value"
            raise UserError(message, "a list here gives one variant a value; for an empty list write [[]]")
        return list(value)
    return [value]


def _single_call(text: str) -> MethodCall:
    steps = parse_pipeline(text, where="").steps
    call = steps[0].calls[0]
    if len(steps) > 1 or len(steps[0].calls) > 1:
        message = f"{text!r} is a pipeline, not a method"
        raise UserError(message, "pipelines are listed under `pipelines` (--pipelines)")
    if call.setting is not None:
        message = f"{text!r} has a setting; a method is listed without"
        raise UserError(message, "settings come from `ratios` and `precisions`; `pipelines` is for complete ones")
    return call
