"""Why a stage must run although one like it is there: which fields of its identity have changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_LONGEST = 40


@dataclass(frozen=True)
class Change:
    """One field in which two stages differ.

    Attributes:
        path: Where it is in `StageFields`, e.g. `("parameters", "budget", "iterations")`.
        before: Its value then, `None` where it was not there.
        after: Its value now.
        distribution: For a plugin's field, the plugin's distribution.
    """

    path: tuple[str, ...]
    before: Any
    after: Any
    distribution: str = ""

    def __str__(self) -> str:
        if self.path[0] == "plugins":
            if self.path[-1] == "version":
                return f"{self.distribution} {self.before} -> {self.after}"
            if self.path[-1] == "source":
                return f"source of {self.distribution}"
            return f"plugin {'.'.join(self.path[1:])} {_short(self.before)} -> {_short(self.after)}"
        if self.path == ("dataset",):
            return "data set fingerprint"
        if self.path[0] == "inputs":
            return f"input {self.path[-1]}"
        if self.path[0] == "semantics":
            return f"engine semantics {self.before} -> {self.after}"
        if self.path[-1] in ("content", "sha256"):
            return f"content of {'.'.join(self.path[1:-1])}"
        name = ".".join(self.path[1:] if self.path[0] == "parameters" else self.path)
        return f"{name} {_short(self.before)} -> {_short(self.after)}"


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Returns in what the fields of two stages differ, in the order of their names.

    Args:
        before: `StageFields` of the earlier stage, as plain JSON.
        after: Those of the later one.

    Example:
        >>> [str(change) for change in changes({"parameters": {"seed": 0}}, {"parameters": {"seed": 1}})]
        ['seed 0 -> 1']
    """
    return list(dict.fromkeys(_compare((), before, after, before.get("plugins", {}))))


def explained(found: list[Change]) -> str:
    """Returns changes as one phrase, each said once."""
    return ", ".join(dict.fromkeys(str(change) for change in found))


def _compare(path: tuple[str, ...], before: Any, after: Any, plugins: Mapping[str, Any]) -> Iterator[Change]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted({*before, *after}):
            yield from _compare((*path, key), before.get(key), after.get(key), plugins)
    elif before != after:
        role = path[1] if len(path) > 1 and path[0] == "plugins" else ""
        stated = plugins.get(role) or {}
        yield Change(path, _hashable(before), _hashable(after), str(stated.get("distribution", "")))


def _hashable(value: Any) -> Any:
    return str(value) if isinstance(value, (list, Mapping)) else value


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
