"""Option values of the pipeline language: their canonical text, and how words become values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.errors import UserError

KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
"""Name of an option."""

_WORD_CHARACTER = r'[^\s;,()"=+&@\\]'

NUMBER = re.compile(rf"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?!{_WORD_CHARACTER})")
"""A number, and nothing behind it that makes it a word such as `8bit`."""

WORD = re.compile(rf"{_WORD_CHARACTER}+")
"""A string that needs no quotes, unless it reads as a number or a constant."""

NOT_FINITE = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE | re.ASCII)
"""Words that Python reads as numbers and we as mistakes."""

_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What arguments and escapes in YAML may hold, but no UTF-8."""

CONSTANTS: Mapping[str, bool | None] = {"true": True, "false": False, "none": None}


def is_bare(text: str) -> bool:
    """Returns whether a string can be written without quotes and still be read as this string."""
    reads_otherwise = NUMBER.fullmatch(text) or NOT_FINITE.fullmatch(text) or text.lower() in CONSTANTS
    return bool(WORD.fullmatch(text)) and text.isprintable() and not reads_otherwise


def scalar_text(value: Any) -> str:
    r"""Returns the canonical text of `None`, a boolean, a number or a string.

    Raises:
        UserError: The value is of another type, not finite, or text that no file can hold.

    Example:
        >>> [scalar_text(value) for value in (None, True, 3, 0.50, "auto", "3", 'say "hi"')]
        ['none', 'true', '3', '0.5', 'auto', '"3"', '"say \\"hi\\""']
    """
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return _number_text(value)
    if isinstance(value, str):
        if _SURROGATE.search(value):
            message = f"{value!r} is not valid text"
            raise UserError(message, "write it in UTF-8")
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return str(value) if is_bare(value) else f'"{escaped}"'
    message = f"{value!r} cannot be an option value"
    raise UserError(message, "options are numbers, true, false, none, text, and lists of these")


def _number_text(value: float) -> str:
    if not is_finite(value):
        message = "an option value is not a finite number"
        raise UserError(message)
    return repr(int(value) if isinstance(value, int) else float(value) + 0.0)  # no negative zero


def is_finite(value: float) -> bool:
    """Returns whether a number is finite and, an integer too, fits into a float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def value_text(value: Any) -> str:
    """Returns the canonical text of an option value: a scalar, or a list of scalars.

    Lists are written with commas; a list of one has a trailing comma, and `,` alone is the empty list.

    Raises:
        UserError: The value is neither.

    Example:
        >>> value_text([1, "a"]), value_text(["a"]), value_text([])
        ('1,a', 'a,', ',')
    """
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [scalar_text(item) for item in value]
        return ",".join(items) if len(items) > 1 else "".join(items) + ","
    return scalar_text(value)


class CallOptions(Mapping[str, Any]):
    """The options of a method call: immutable, hashable, equal when they are written alike.

    Keys come in alphabetical order. Values are compared by their text, so that `1`, `1.0` and `true`
    are three values.

    Args:
        options: Values by option name; lists are copied.

    Raises:
        UserError: A key or a value cannot be written in the pipeline language.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        for key in options:
            if not isinstance(key, str) or not KEY.fullmatch(key):
                message = f"{key!r} is not an option name"
                raise UserError(message, "names are letters, digits, '_', '.' and '-', a letter first")
        self._values = {key: _frozen(options[key]) for key in sorted(options)}
        self._text = ";".join(f"{key}={value_text(value)}" for key, value in self._values.items())

    def __getitem__(self, key: str) -> Any:
        value = self._values[key]
        return list(value) if isinstance(value, tuple) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CallOptions):
            return self._text == other._text
        if not isinstance(other, Mapping):
            return NotImplemented
        try:
            return self._text == CallOptions(other)._text
        except UserError:
            return False

    def __hash__(self) -> int:
        return hash(self._text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"CallOptions({dict(self)!r})"


def _frozen(value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(value)
    return value
