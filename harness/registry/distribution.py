"""Installed distributions that bring plugins, and the hash of their source while it is being edited."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class PluginDistribution:
    """A distribution with entry points of ours.

    Attributes:
        name: As its metadata write it.
        version: Its version.
        packages: Names of its top-level packages and modules.
        editable: Whether it runs from source that may change under the same version.
        requires: Names of the distributions that it cannot do without, as PEP 503 normalises them.
    """

    name: str
    version: str
    packages: tuple[str, ...] = ()
    editable: bool = False
    requires: tuple[str, ...] = ()

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of its Python source if it is installed editable, as it is when first asked for."""
        return hash_of_packages(self.packages) if self.editable else None

    def provenance(self) -> dict[str, str | None]:
        """Returns what identities and records state of it: `distribution`, `version` and `source`."""
        return {"distribution": self.name, "version": self.version, "source": self.source_hash}


def describe_distribution(distribution: Distribution, targets: Iterable[str]) -> PluginDistribution:
    """Returns what its metadata say; nothing is imported.

    Args:
        distribution: As found.
        targets: What its entry points name; their packages count as its own beside the listed ones.
    """
    targeted = {re.split("[.:]", target)[0] for target in targets} - {""}
    listed = (distribution.read_text("top_level.txt") or "").split()
    return PluginDistribution(
        name=_header(distribution, "Name"),
        version=_header(distribution, "Version"),
        packages=tuple(sorted(targeted.union(listed))),
        editable=_is_editable(distribution, targeted),
        requires=tuple(sorted(_requirements(distribution))),
    )


def normalized(name: str) -> str:
    """Returns a distribution's name in the form that decides whether two are the same (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def hash_of_packages(packages: tuple[str, ...]) -> str:
    """Returns the SHA-256 of the packages' sorted relative paths and contents of `.py` files.

    Once a process, which keeps running what it has imported.
    """
    digest = hashlib.sha256()
    for package in packages:
        for name, file in sorted(_source_files(package)):
            content = file.read_bytes()
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()


def _requirements(distribution: Distribution) -> Iterator[str]:
    for line in (_headers(distribution)).splitlines():
        match = re.match(r"Requires-Dist:[ \t]*([A-Za-z0-9._-]+)", line, re.IGNORECASE)
        if match and "extra ==" not in line:
            yield normalized(match.group(1))


def _headers(distribution: Distribution) -> str:
    # Parsing the whole metadata as an e-mail, as importlib does, costs milliseconds a distribution.
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    return text.split("\n\n")[0]


def _header(distribution: Distribution, key: str) -> str:
    match = re.search(rf"^{key}:[ \t]*(\S+)", _headers(distribution), re.MULTILINE | re.IGNORECASE)
    return match.group(1) if match else "unknown"


def _is_editable(distribution: Distribution, packages: Iterable[str]) -> bool:
    if re.search(r'"editable"\s*:\s*true', distribution.read_text("direct_url.json") or ""):
        return True
    record = distribution.read_text("RECORD") or ""  # what was copied; source that lies elsewhere is not listed
    return not all(re.search(rf"^{re.escape(name)}(/|\.py,)", record, re.MULTILINE) for name in packages)


def _source_files(package: str) -> list[tuple[str, Path]]:
    spec = find_spec(package)
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    if not folders and spec.origin:
        return [(Path(spec.origin).name, Path(spec.origin))]
    return [
        (f"{package}/{file.relative_to(folder).as_posix()}", file)
        for folder in folders
        for file in folder.rglob("*.py")
    ]
