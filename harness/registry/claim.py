"""Claims: the entry points of what is installed, read without importing any of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from importlib.metadata import distributions

from harness.registry.distribution import PluginDistribution, describe_distribution, normalized
from harness.registry.groups import GROUPS, Group

Line = tuple[str, str, str]
"""Group, name and target of an entry point."""


@dataclass(frozen=True)
class Claim:
    """A distribution's claim on a name.

    Attributes:
        group: The entry-point group.
        task: The task in front of the dot, in groups keyed by task.
        name: The name users type.
        target: `"package.module:OBJECT"`, the descriptor.
        source: The distribution.
    """

    group: Group
    task: str
    name: str
    target: str
    source: PluginDistribution

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"{self.group.noun} '{self.name}' of {self.source.name} {self.source.version}"

    def comes_from(self, distribution: str) -> bool:
        """Returns whether the distribution of this name makes the claim."""
        return normalized(self.source.name) == normalized(distribution)

    def is_called(self, text: str) -> bool:
        """Returns whether `text` names it, as `--disable` does.

        Args:
            text: A plugin (`fpgm`, `segmentation.digits`), a distribution, or a plugin behind its group or
                distribution and a colon (`methods:fpgm`).
        """
        qualifier, colon, name = text.rpartition(":")
        if not colon:
            return self._is_named(text) or self.comes_from(text)
        groups = (self.group.name, self.group.short_name)
        return self._is_named(name) and (qualifier in groups or self.comes_from(qualifier))

    def _is_named(self, text: str) -> bool:
        return text in (self.name, f"{self.task}.{self.name}")


def find_claims(path: list[str] | None = None) -> list[Claim]:
    """Returns all claims in our groups; of several distributions with one name, the first on the path counts.

    Args:
        path: Folders to search; default: `sys.path`.
    """
    claims: dict[str, list[Claim]] = {}
    for source, lines in _distributions_in(GROUPS, path):
        claims.setdefault(
            normalized(source.name), [_claim(GROUPS[group], name, target, source) for group, name, target in lines]
        )
    return [claim for found in claims.values() for claim in found]


def find_extensions(groups: Collection[str], path: list[str] | None = None) -> list[PluginDistribution]:
    """Returns the distributions with entry points in a plugin's own groups.

    Args:
        groups: Entry-point groups, as `MethodDescriptor.extended_by` names them.
        path: Folders to search; default: `sys.path`.
    """
    found: dict[str, PluginDistribution] = {}
    for source, _ in _distributions_in(groups, path) if groups else ():
        found.setdefault(normalized(source.name), source)
    return sorted(found.values(), key=lambda source: source.name)


def _distributions_in(
    groups: Collection[str], path: list[str] | None
) -> Iterator[tuple[PluginDistribution, list[Line]]]:
    """Yields each distribution with entry points in these groups, and those entry points."""
    for distribution in distributions() if path is None else distributions(path=path):
        lines = [line for line in _entry_points(distribution.read_text("entry_points.txt") or "") if line[0] in groups]
        if lines:
            yield describe_distribution(distribution, [target for _, _, target in lines]), lines


def _entry_points(text: str) -> Iterator[Line]:
    """Yields each line.

    importlib reads the file too, but one malformed line in any distribution would stop it for all.
    """
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[]").strip()
        elif group and line and not line.startswith(("#", ";")):
            name, _, target = line.partition("=")
            yield group, name.strip(), target.partition("[")[0].strip()  # extras behind a bracket are history


def _claim(group: Group, key: str, target: str, source: PluginDistribution) -> Claim:
    task, _, name = key.partition(".") if group.keyed_by_task and "." in key else ("", "", key)
    return Claim(group, task, name, target, source)
