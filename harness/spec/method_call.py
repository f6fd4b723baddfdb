"""One method of a pipeline: its name, setting and options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from harness.errors import UserError
from harness.spec.option_value import NOT_FINITE, CallOptions, is_finite
from harness.spec.setting import Budget, Setting, setting_text

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*")
"""Name of a plugin, a setting or a budget's quantity."""

METHOD_NAME = re.compile(rf"{NAME.pattern}(?::{NAME.pattern})?")
"""A method's name, where two distributions claim it with the distribution in front: `other-dist:fpgm`."""


@dataclass(frozen=True)
class MethodCall:
    """A method at one point of its axis.

    Attributes:
        name: Plugin name, with `distribution:` in front where it must be told apart.
        setting: The point on the method's axis; `None` where it has none.
        options: Written options, not yet validated against the method.

    Raises:
        UserError: A part cannot be written in the pipeline language.
    """

    name: str
    setting: Setting | None = None
    options: Mapping[str, Any] = CallOptions({})

    def __post_init__(self) -> None:
        if not METHOD_NAME.fullmatch(self.name):
            message = f"{self.name!r} is not a method name"
            raise UserError(message, "names are letters, digits, '_', '.' and '-', a letter first")
        # The class is frozen; these only bring what was given into canonical form.
        object.__setattr__(self, "setting", canonical_setting(self.setting))
        object.__setattr__(self, "options", CallOptions(self.options))

    def __str__(self) -> str:
        return self._text

    @cached_property
    def _text(self) -> str:
        setting = "" if self.setting is None else f"@{setting_text(self.setting)}"
        return f"{self.name}{setting}({self.options})" if self.options else f"{self.name}{setting}"


def canonical_setting(setting: Setting | None) -> Setting | None:
    """Returns the setting with its number as a finite float.

    Raises:
        UserError: It is not a finite number, nor a name, nor a budget of a name and a finite number.
    """
    if isinstance(setting, Budget) and NAME.fullmatch(setting.quantity):
        return Budget(setting.quantity, _finite(setting.value))
    if isinstance(setting, str) and NAME.fullmatch(setting) and not NOT_FINITE.fullmatch(setting):
        return setting
    if isinstance(setting, (int, float)) and not isinstance(setting, bool):
        return _finite(setting)
    if setting is None:
        return None
    message = f"{setting!r} is not a setting"
    raise UserError(message, "a setting is a number, a name such as int8, or a budget such as size=0.25")


def _finite(number: float) -> float:
    if not is_finite(number):
        message = "a setting's number is not finite"
        raise UserError(message)
    return float(number) + 0.0  # no negative zero
