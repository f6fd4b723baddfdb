"""A plugin: its descriptor, where it comes from, and how its parts are imported."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Generic, NamedTuple, TypeVar

from harness.errors import PluginError
from harness.registry.descriptors import Descriptor, ModelDescriptor
from harness.registry.distribution import PluginDistribution
from harness.registry.groups import GROUPS

DescriptorT_co = TypeVar("DescriptorT_co", bound=Descriptor, covariant=True)


@dataclass(frozen=True)
class Plugin(Generic[DescriptorT_co]):
    """A plugin whose descriptor has been loaded.

    Attributes:
        descriptor: What it says of itself.
        source: The distribution that brings it.
        group: Its entry-point group.
        name: The name users type, without task or distribution.
    """

    descriptor: DescriptorT_co
    source: PluginDistribution
    group: str
    name: str

    @property
    def distribution(self) -> str:
        """Name of its distribution."""
        return self.source.name

    @property
    def version(self) -> str:
        """Version of its distribution."""
        return self.source.version

    @property
    def source_hash(self) -> str | None:
        """SHA-256 of its distribution's Python source, where that is installed editable."""
        return self.source.source_hash

    def provenance(self) -> dict[str, str | None]:
        """Returns what identities and records state of it: `distribution`, `version` and `source`."""
        return self.source.provenance()


class ChosenModel(NamedTuple):
    """A model plugin and, for a zoo, which of its models.

    Attributes:
        plugin: The plugin.
        member: The part of the name behind `::`; empty where the plugin is one model.
    """

    plugin: Plugin[ModelDescriptor]
    member: str


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of `bench list`: a plugin, whether or not it can be used.

    Attributes:
        group: Its entry-point group.
        task: The task it is keyed by; empty in groups that are not.
        name: The name users type.
        distribution: Who brings it.
        version: The distribution's version.
        descriptor: What it says of itself; `None` where that cannot be loaded.
        error: Why it cannot be used by its name: broken, disabled, or claimed twice; empty if it can.
    """

    group: str
    task: str
    name: str
    distribution: str
    version: str
    descriptor: Descriptor | None
    error: str = ""


def import_target(target: str) -> Any:
    """Returns the object that `"package.module:name"` names.

    Raises:
        ValueError: The text names no object.
        Exception: Whatever importing the module raises.
    """
    module, colon, attribute = target.partition(":")
    if not (module and colon and attribute):
        message = f"'{target}' does not name an object as package.module:name"
        raise ValueError(message)
    found: Any = import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


def load_implementation(plugin: Plugin[Any]) -> Any:
    """Returns the class that does a plugin's work, imported now; it may import torch.

    Raises:
        PluginError: It cannot be imported; the message names the distribution and the original error.
    """
    target = plugin.descriptor.implementation
    try:
        return import_target(target)
    except (Exception, SystemExit) as error:  # a plugin may fail in any way, and must be named when it does
        message = (
            f"{GROUPS[plugin.group].noun} '{plugin.name}' of {plugin.distribution} {plugin.version} does not "
            f"load: {target}: {type(error).__name__}: {error}"
        )
        raise PluginError(message, import_hint(error, plugin.distribution)) from error


def import_hint(error: BaseException, distribution: str) -> str:
    """Returns what to do about a plugin that cannot be imported."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        return f"install what brings the module '{error.name}', or update {distribution}"
    return f"update or reinstall {distribution}"
