"""The plugins that one plan uses: each is looked up, has its options validated and is accounted for once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.registry import MethodDescriptor, Metric, Options, Plugin, Registry, TaskDescriptor, validate_options
from harness.spec.benchmark import ModelChoice, PluginChoice
from harness.spec.pipeline import MethodCall

Provenance = dict[str, str | None]


@dataclass(frozen=True)
class Choice:
    """A plugin with validated options, as identities see it.

    Attributes:
        plugin: The plugin.
        options: Its options, defaults written out.
        json: What identities state of it: name and options but for those that the plan alone acts on and those that
            say where files lie, as plain JSON.
        provenance: What made its results, by distribution; its own is first.
        paths: Those of its options that say where files lie and are not empty, as absolute paths.
    """

    plugin: Plugin[Any]
    options: Options
    json: dict[str, Any]
    provenance: Mapping[str, Provenance]
    paths: Mapping[str, str] = field(default_factory=dict)

    @property
    def prepared_json(self) -> dict[str, Any]:
        """What the identity of a preparation states of it: without the options that only `compress` acts on."""
        own = self.options.compress_options
        options = {name: value for name, value in self.json["options"].items() if name not in own}
        return {**self.json, "options": options}


class Choices:
    """What a benchmark chooses, by the names that it is chosen by.

    Every look-up raises `UserError` for a name or an option that is wrong.

    Args:
        registry: All plugins.
        task: The task.
        models: Model choices by name.
        datasets: Data set choices by name.
        protocol: `corrected` or `seed`, under which options may have other defaults.
    """

    def __init__(
        self,
        registry: Registry,
        task: TaskDescriptor,
        models: Mapping[str, ModelChoice],
        datasets: Mapping[str, PluginChoice],
        protocol: str = "corrected",
    ) -> None:
        self.registry = registry
        self.task = task
        self._models = models
        self._datasets = datasets
        self._protocol = protocol
        self._found: dict[tuple[str, ...], Choice] = {}
        self._descriptors: dict[str, MethodDescriptor] = {}

    def model(self, name: str) -> Choice:
        """Returns the model that the benchmark calls `name`."""
        key = ("model", name)
        if key not in self._found:
            plugin, member = self.registry.model(self.task.name, name)
            content = {"member": member, "content": plugin.descriptor.fingerprint(member)}
            self._found[key] = self._chosen(plugin, self._models[name].options, f"model {name}", content)
        return self._found[key]

    def checkpoint(self, model: str) -> Path | None:
        """Returns where the weights of the model's baseline are, if they are given."""
        return self._models[model].checkpoint

    def dataset(self, name: str) -> Choice:
        """Returns the data set that the benchmark calls `name`."""
        key = ("dataset", name)
        if key not in self._found:
            plugin = self.registry.dataset(self.task.name, name)
            self._found[key] = self._chosen(plugin, self._datasets[name].options, f"dataset {name}")
        return self._found[key]

    def primary(self, dataset: str) -> Metric:
        """Returns the metric by which cells on the data set that the benchmark calls `dataset` are compared."""
        return self.task.primary_under(self._protocol, self.dataset(dataset).plugin.descriptor)

    def method(self, call: MethodCall) -> Choice:
        """Returns the method of a call, whatever its setting."""
        key = ("method", call.name, str(call.options))
        if key not in self._found:
            plugin = self.registry.method(call.name)
            self._found[key] = self._chosen(plugin, call.options, f"method {call.name}")
        return self._found[key]

    def describe(self, method: str) -> MethodDescriptor:
        """Returns what the method of this name says of itself."""
        if method not in self._descriptors:
            self._descriptors[method] = self.registry.method(method).descriptor.under(self._protocol)
        return self._descriptors[method]

    def _chosen(
        self, plugin: Plugin[Any], written: Mapping[str, Any], where: str, content: Mapping[str, Any] | None = None
    ) -> Choice:
        options = validate_options(plugin, written, where=where).under(self._protocol)
        stated_options = options.model_dump(mode="json", exclude={*options.plan_options, *options.path_options})
        json = {"name": plugin.name, **(content or {}), "options": stated_options}
        return Choice(plugin, options, json, self.registry.provenance(plugin), _paths_of(options))


def stated(role: str, provenance: Mapping[str, Provenance]) -> dict[str, Provenance]:
    """Returns a plugin's distribution under its role in a stage, and those that it requires behind a slash."""
    own, *required = provenance.items()
    return {role: own[1], **{f"{role}/{name}": of_required for name, of_required in required}}


def _paths_of(options: Options) -> dict[str, str]:
    found = options.model_dump(mode="json", include=set(options.path_options))
    return {name: str(Path(value).expanduser().absolute()) for name, value in sorted(found.items()) if value}
