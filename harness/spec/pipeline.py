"""The pipeline language: `sirfp@0.5+cwd+ptq@int8` and back.

    pipeline := step ("+" step)*
    step     := call ("&" call)*
    call     := name ["@" setting] ["(" key "=" value (";" key "=" value)* ")"]
    setting  := number | name | name "=" number
    value    := item | item "," [item ("," item)*] | ","
    item     := number | "true" | "false" | "none" | word | '"' text '"'

`str(pipeline)` is canonical: options in alphabetical order, numbers in their shortest form, no spaces.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from harness.errors import UserError
from harness.spec.method_call import METHOD_NAME, NAME, MethodCall
from harness.spec.option_value import CONSTANTS, KEY, NOT_FINITE, NUMBER, WORD, is_finite
from harness.spec.scanner import Scanner
from harness.spec.setting import Budget, Setting
from harness.spec.splitting import split_list

__all__ = [
    "MethodCall",
    "MethodKinds",
    "Pipeline",
    "Step",
    "parse_pipeline",
    "split_list",
    "with_default_recoveries",
]

_QUOTED = re.compile(r'"(?:[^"\\]|\\["\\])*"')
_QUOTE_HINT = "a value with any of ;,()=+&@ or spaces goes in double quotes"
_ESCAPE = re.compile(r'\\(["\\])')


@dataclass(frozen=True)
class Step:
    """One step of a pipeline; several calls form one training.

    Attributes:
        calls: One compressor, or one or more recoveries.
    """

    calls: tuple[MethodCall, ...]

    def __post_init__(self) -> None:
        _not_empty(self.calls, "a step needs at least one method")

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return "&".join(map(str, self.calls))


@dataclass(frozen=True)
class Pipeline:
    """What is done to one model, in order.

    Attributes:
        steps: At least one.
    """

    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        _not_empty(self.steps, "a pipeline needs at least one step")

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        return "+".join(map(str, self.steps))


class MethodKinds(Protocol):
    """The part of a method's descriptor that default recoveries depend on."""

    @property
    def kind(self) -> str:
        """`"compressor"` or `"recovery"`."""

    @property
    def default_recovery(self) -> str:
        """Pipeline text of what follows a compressor if no recovery is written; empty for nothing."""


def parse_pipeline(text: str, where: str = "pipeline") -> Pipeline:
    """Returns the pipeline that `text` describes.

    Args:
        text: In the language of this module; spaces around tokens do not count.
        where: The flag or key that it comes from, for errors; empty where the caller names it.

    Raises:
        UserError: With the column, a caret and what was expected there.

    Example:
        >>> str(parse_pipeline("ptq@int8 + kl(weight=0.50; teacher=none) & cwd"))
        'ptq@int8+kl(teacher=none;weight=0.5)&cwd'
    """
    scanner = Scanner(text, where)
    steps = [_step(scanner)]
    while scanner.accept("+"):
        steps.append(_step(scanner))
    if not scanner.at_end():
        scanner.fail("'+', '&' or the end")
    return Pipeline(tuple(steps))


def with_default_recoveries(pipeline: Pipeline, describe: Callable[[str], MethodKinds]) -> Pipeline:
    """Returns the pipeline with the default recovery directly behind each compressor that needs one.

    A compressor needs one only if no later written step is a recovery; `none` is a recovery too.

    Args:
        pipeline: As written.
        describe: Returns what is known of a method, by name.

    Raises:
        UserError: A compressor is joined to another method by `&`.
    """
    recoveries = [_is_recovery(step, describe) for step in pipeline.steps]
    steps: list[Step] = []
    for index, step in enumerate(pipeline.steps):
        steps.append(step)
        default = "" if recoveries[index] else describe(step.calls[0].name).default_recovery
        if default and not any(recoveries[index + 1 :]):
            steps.extend(parse_pipeline(default, f"default recovery of {step.calls[0].name}").steps)
    return Pipeline(tuple(steps))


def _is_recovery(step: Step, describe: Callable[[str], MethodKinds]) -> bool:
    compressors = [call.name for call in step.calls if describe(call.name).kind == "compressor"]
    if compressors and len(step.calls) > 1:
        message = f"'{step}' joins {compressors[0]}, which compresses, to another method by '&'"
        raise UserError(message, "'&' joins recoveries into one training; steps are joined by '+'")
    return not compressors


def _step(scanner: Scanner) -> Step:
    calls = [_call(scanner)]
    while scanner.accept("&"):
        calls.append(_call(scanner))
    return Step(tuple(calls))


def _call(scanner: Scanner) -> MethodCall:
    name = scanner.match(METHOD_NAME)
    if name is None:
        scanner.fail("a method name")
    setting = _setting(scanner) if scanner.accept("@") else None
    options = _options(scanner) if scanner.accept("(") else {}
    return MethodCall(name, setting, options)


def _setting(scanner: Scanner) -> Setting:
    scanner.skip_space()
    start = scanner.position
    number = _number(scanner)
    if number is not None:
        return float(number)
    name = scanner.match(NAME)
    if name is None or NOT_FINITE.fullmatch(name):
        scanner.fail("a setting (a number, a name such as int8, or size=0.25)", position=start)
    if not scanner.accept("="):
        return name
    limit = _number(scanner)
    if limit is None:
        scanner.fail(f"a number, the limit of {name}")
    return Budget(name, float(limit))


def _options(scanner: Scanner) -> dict[str, Any]:
    options: dict[str, Any] = {}
    while True:
        scanner.skip_space()
        start = scanner.position
        key = scanner.match(KEY)
        if key is None:
            scanner.fail("an option name")
        if key in options:
            scanner.fail(f"another option ({key} is given twice)", position=start)
        if not scanner.accept("="):
            scanner.fail(f"'=' and a value for {key}")
        options[key] = _value(scanner)
        if scanner.accept(")"):
            return options
        if not scanner.accept(";"):
            scanner.fail("';', ',' or ')'", _QUOTE_HINT)


def _value(scanner: Scanner) -> Any:
    if scanner.accept(","):
        return []
    items = [_item(scanner)]
    if not scanner.next_is(","):
        return items[0]
    while scanner.accept(",") and not scanner.next_is(";", ")"):
        items.append(_item(scanner))
    return items


def _item(scanner: Scanner) -> Any:
    if scanner.next_is('"'):
        quoted = scanner.match(_QUOTED)
        if quoted is None:
            scanner.fail("a string with its closing quote", r"inside, write \" for a quote, \\ for a backslash")
        return _ESCAPE.sub(r"\1", quoted[1:-1])
    number = _number(scanner)
    if number is not None:
        return number
    start = scanner.position
    word = scanner.match(WORD)
    if word is None:
        scanner.fail("a value", _QUOTE_HINT)
    if NOT_FINITE.fullmatch(word):
        scanner.fail("a finite number", f'for the word, write "{word}" in double quotes', start)
    return CONSTANTS.get(word.lower(), word)


def _number(scanner: Scanner) -> float | None:
    scanner.skip_space()
    start = scanner.position
    text = scanner.match(NUMBER)
    if text is None:
        return None
    if not is_finite(float(text)):
        scanner.fail("a number that is not as large", position=start)
    digits = text.lstrip("+-")
    if not digits.isdigit():
        return float(text)
    number = int(digits.lstrip("0") or "0")  # Python counts leading zeros too where it limits the length of integers
    return -number if text.startswith("-") else number


def _not_empty(parts: tuple[Any, ...], message: str) -> None:
    if not parts:
        raise UserError(message)
