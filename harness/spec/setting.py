"""A setting: the point on a method's axis."""

from __future__ import annotations

from typing import NamedTuple


class Budget(NamedTuple):
    """A setting that states a budget, written `size=0.25`.

    Attributes:
        quantity: What is limited, e.g. `"size"`.
        value: The limit as a fraction of the baseline's.
    """

    quantity: str
    value: float


Setting = float | str | Budget
"""A ratio (fraction removed, 0..1), a name such as `int8`, or a `Budget`."""


def setting_text(setting: Setting) -> str:
    """Returns the setting as it is written behind `@`.

    Example:
        >>> setting_text(0.5), setting_text("int8"), setting_text(Budget("size", 0.25))
        ('0.5', 'int8', 'size=0.25')
    """
    if isinstance(setting, Budget):
        return f"{setting.quantity}={setting.value!r}"
    return setting if isinstance(setting, str) else repr(setting)


def setting_json(setting: Setting | None) -> float | str | dict[str, float] | None:
    """Returns the setting as a JSON value, the form that identities and records use."""
    if isinstance(setting, Budget):
        return {setting.quantity: setting.value}
    return setting


def setting_from_json(value: float | str | dict[str, float] | None) -> Setting | None:
    """Inverse of `setting_json`."""
    if isinstance(value, dict):
        ((quantity, limit),) = value.items()
        return Budget(quantity, limit)
    return value
