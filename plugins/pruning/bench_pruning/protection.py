"""Protection: layers that a person names, and which then keep all their channels."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from harness.errors import UserError
from harness.spec.suggestion import close_matches

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from bench_pruning.channels.groups import ChannelGroup


def protected_groups(model: nn.Module, groups: Iterable[ChannelGroup], patterns: Sequence[str]) -> frozenset[str]:
    """Returns the names of the groups any of whose channels a protected layer makes.

    Args:
        model: The model, before or after surgery.
        groups: The prunable groups.
        patterns: Dotted paths of modules, `*`, `?` and `[...]` as in file names, where `*` stands for dots too. A
            module that matches protects everything in it.

    Raises:
        UserError: A pattern matches no module, or all groups are protected.
    """
    # A module that two others share has several paths; each of them may be meant.
    paths: dict[nn.Module, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        if path:
            paths.setdefault(module, []).append(path)
    known = [path for same in paths.values() for path in same]
    for pattern in patterns:
        if not any(fnmatchcase(path, pattern) for path in known):
            raise _no_match(pattern, known, type(model).__name__)

    def is_protected(layer: str) -> bool:
        same = paths.get(model.get_submodule(layer), [])
        wanted = [*patterns, *(f"{pattern}.*" for pattern in patterns)]
        return any(fnmatchcase(path, pattern) for path in same for pattern in wanted)

    names = {group.name: any(map(is_protected, group.layers)) for group in groups}
    if patterns and all(names.values()):
        message = f"protect={','.join(patterns)} leaves no layer of {type(model).__name__} to prune"
        raise UserError(message, "Protect fewer layers.")
    return frozenset(name for name, protected in names.items() if protected)


def protected_around(path: str, patterns: Sequence[str]) -> str:
    """Returns the outermost module that a pattern names and that a path lies in, or is; empty if there is none."""
    parts = path.split(".")
    outer = (".".join(parts[: length + 1]) for length in range(len(parts)))
    return next((each for each in outer if each and any(fnmatchcase(each, pattern) for pattern in patterns)), "")


def _no_match(pattern: str, paths: list[str], model: str) -> UserError:
    matches = " or ".join(repr(match) for match in close_matches(pattern.rstrip(".*"), paths))
    top = ", ".join(dict.fromkeys(path.partition(".")[0] for path in paths))
    meant = f"did you mean {matches}? " if matches else ""
    hint = f"{meant}a pattern is the dotted path of a module, with * for any text; {model} consists of: {top}"
    return UserError(f"protect: no layer of {model} matches {pattern!r}", hint)
