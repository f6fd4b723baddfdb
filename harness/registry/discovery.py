"""Finds plugins by entry point and loads the descriptors of those that are asked for."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeVar

from harness.errors import PluginError, UserError
from harness.registry.claim import Claim, find_claims, find_extensions
from harness.registry.descriptors import (
    DatasetDescriptor,
    Descriptor,
    MethodDescriptor,
    ModelDescriptor,
    ReportFormatDescriptor,
    TaskDescriptor,
    TransformDescriptor,
)
from harness.registry.distribution import PluginDistribution, normalized
from harness.registry.groups import GROUPS, Group
from harness.registry.plugin import ChosenModel, Entry, Plugin, import_hint, import_target
from harness.spec.config_path import is_config_path
from harness.spec.suggestion import did_you_mean

DescriptorT = TypeVar("DescriptorT", bound=Descriptor)


def discover(disabled: Collection[str] = (), path: list[str] | None = None) -> Registry:
    """Returns the registry of what is installed; imports nothing of it.

    Args:
        disabled: What `--disable` names: plugins, `group:plugin`, `distribution:plugin` or distributions.
        path: Folders to search for distributions; default: `sys.path`.

    Raises:
        UserError: Nothing installed has a disabled name.
    """
    claims = find_claims(path)
    for text in disabled:
        if not any(claim.is_called(text) for claim in claims):
            message = f"--disable: nothing installed is called '{text}'"
            names = [name for claim in claims for name in (claim.name, claim.source.name)]
            raise UserError(message, did_you_mean(text.rpartition(":")[2], names, "installed"))
    return Registry(claims, disabled, path)


class Registry:
    """What is installed, by name. A descriptor is imported when it is asked for, and once.

    Names may carry their distribution, `dist:name`, where two distributions claim the same one. Every
    look-up raises `UserError` for a name that is unknown, disabled or claimed twice, and `PluginError` for
    a plugin whose descriptor cannot be loaded or is not what its entry point says.

    Args:
        claims: The entry points.
        disabled: What may not be used, as `Claim.is_called` reads it.
        path: Folders where they were found; default: `sys.path`.
    """

    def __init__(self, claims: Sequence[Claim], disabled: Collection[str] = (), path: list[str] | None = None) -> None:
        self._claims = claims
        self._path = path
        self._disabled = tuple(disabled)
        self._loaded: dict[Claim, Any] = {}
        self._extending: dict[tuple[str, ...], list[PluginDistribution]] = {}

    def task(self, name: str) -> Plugin[TaskDescriptor]:
        """Returns a task."""
        return self._plugin(TaskDescriptor, "bench.tasks", name)

    def model(self, task: str, name: str) -> ChosenModel:
        """Returns a model of a task, or a zoo and which of its models: `mmseg::fcn/fcn_r50`, or a config file."""
        if is_config_path(name):
            return self._of_file(task, name)
        key, separator, member = name.partition("::")
        plugin = self._plugin(ModelDescriptor, "bench.models", key, task)
        if plugin.descriptor.zoo and not member:
            message = f"'{name}' is a zoo of models; name one of them"
            raise UserError(message, f"write {name}::NAME")
        if plugin.descriptor.reads_files and Path(member).is_absolute():
            # Or what asks for trust in a named file could be gone round.
            message = f"'{name}': a config file of your own is named by its path alone"
            raise UserError(message, f"write {member}")
        if separator and not plugin.descriptor.zoo:
            message = f"'{name}': {key} is one model, not a zoo"
            raise UserError(message, f"write {key}")
        return ChosenModel(plugin, member)

    def _of_file(self, task: str, path: str) -> ChosenModel:
        named = [entry.name for entry in self.entries("bench.models") if entry.task == task and not entry.error]
        plugins = [self._plugin(ModelDescriptor, "bench.models", name, task) for name in named]
        readers = [plugin for plugin in plugins if plugin.descriptor.reads_files]
        if not Path(path).is_file():
            message = f"{path}: there is no such config file"
            raise UserError(message, "Name a Python config, or a model that `bench list models` shows.")
        if len(readers) != 1:
            which = " and ".join(plugin.name for plugin in readers) or "no model plugin"
            message = f"{path}: {which} of the task '{task}' read config files"
            raise UserError(message, "--disable all but one." if readers else "`bench list models` shows all models.")
        return ChosenModel(readers[0], str(Path(path).absolute()))

    def dataset(self, task: str, name: str) -> Plugin[DatasetDescriptor]:
        """Returns a data set of a task."""
        return self._plugin(DatasetDescriptor, "bench.datasets", name, task)

    def method(self, name: str) -> Plugin[MethodDescriptor]:
        """Returns a compressor or a recovery."""
        return self._plugin(MethodDescriptor, "bench.methods", name)

    def transform(self, name: str) -> Plugin[TransformDescriptor]:
        """Returns what replays one kind of an artifact's steps."""
        return self._plugin(TransformDescriptor, "bench.transforms", name)

    def report_format(self, name: str) -> Plugin[ReportFormatDescriptor]:
        """Returns a further format of reports."""
        return self._plugin(ReportFormatDescriptor, "bench.report_formats", name)

    def provenance(self, plugin: Plugin[Any]) -> dict[str, dict[str, str | None]]:
        """Returns what made a plugin's results.

        That is its distribution, those it requires that bring plugins too, and those that extend it.
        A criterion of a third party stands on the tracing and surgery of the distribution that it requires; what these
        do may hang on rules that a further one adds.

        Returns:
            Provenance by the normalised name of the distribution; the plugin's own is first.
        """
        known = {normalized(claim.source.name): claim.source for claim in self._claims}
        found, waiting = {normalized(plugin.distribution): plugin.source}, list(plugin.source.requires)
        while waiting:
            name = waiting.pop()
            if name in known and name not in found:
                found[name] = known[name]
                waiting.extend(known[name].requires)
        for source in self._extensions(tuple(getattr(plugin.descriptor, "extended_by", ()))):
            found.setdefault(normalized(source.name), source)
        return {name: source.provenance() for name, source in found.items()}

    def _extensions(self, groups: tuple[str, ...]) -> list[PluginDistribution]:
        if groups not in self._extending:
            self._extending[groups] = find_extensions(groups, self._path)
        return self._extending[groups]

    def sources(self, extended_by: Collection[str] = ()) -> dict[str, str | None]:
        """Returns the source hash of every distribution with plugins, by its name; `None` if not editable.

        Args:
            extended_by: Groups of plugins' own, whose distributions count too.
        """
        found = {source.name: source for source in self._extensions(tuple(extended_by))}
        found.update({claim.source.name: claim.source for claim in self._claims})
        return {name: source.source_hash for name, source in found.items()}

    def entries(self, group: str) -> list[Entry]:
        """Returns all that claims a name in a group, by task and name; what does not load, with its error.

        Args:
            group: One of `harness.registry.groups.GROUPS`, e.g. `"bench.methods"`.
        """
        claims = [claim for claim in self._claims if claim.group == GROUPS[group]]
        return [self._entry(claim) for claim in sorted(claims, key=lambda claim: (claim.task, claim.name))]

    def _plugin(self, kind: type[DescriptorT], group: str, text: str, task: str = "") -> Plugin[DescriptorT]:
        claim = self._find(GROUPS[group], text, task)
        try:
            descriptor = self._load(claim, kind)
        except (
            Exception,
            SystemExit,
        ) as error:  # a plugin may fail in any way, and must be named when it does
            message = f"{claim.label} is broken: {_reason(error)}"
            raise PluginError(message, import_hint(error, claim.source.name)) from error
        return Plugin(descriptor, claim.source, group, claim.name)

    def _find(self, group: Group, text: str, task: str) -> Claim:
        distribution, _, name = text.rpartition(":")
        named = [claim for claim in self._claims if claim.group == group and claim.name == name]
        of_task = [claim for claim in named if claim.task == task]
        claims = [claim for claim in of_task if not distribution or claim.comes_from(distribution)]
        enabled = [claim for claim in claims if not self._disabled_by(claim)]
        if not claims:
            raise self._unknown(group, text, task, named)
        if not enabled:
            message = f"{claims[0].label} is disabled by --disable {self._disabled_by(claims[0])}"
            raise UserError(message, "leave out that flag, or what needs it")
        if len(enabled) > 1:
            message = f"{group.noun} '{text}' is claimed by {_distributions(enabled)}"
            choices = " or ".join(f"{claim.source.name}:{name}" for claim in enabled)
            raise UserError(message, f"write {choices}, or --disable one of the distributions")
        return enabled[0]

    def _unknown(self, group: Group, text: str, task: str, named: Sequence[Claim]) -> UserError:
        tasks = {claim.name for claim in self._claims if claim.group.name == "bench.tasks"}
        if group.keyed_by_task and task not in tasks:
            return UserError(f"unknown task '{task}'", did_you_mean(task, tasks, "available tasks"))
        of_group = [claim for claim in self._claims if claim.group == group and claim.task == task]
        usable = [claim.name for claim in of_group if not self._disabled_by(claim)]
        scope = f" for the task '{task}'" if group.keyed_by_task else ""
        plural = group.short_name.replace("_", " ").replace("datasets", "data sets")
        hint = did_you_mean(text.rpartition(":")[2], usable, f"available {plural}{scope}")
        of_task = {claim.source.name for claim in named if claim.task == task}
        if of_task:  # then the distribution in front is wrong
            hint = f"'{named[0].name}' comes from {', '.join(sorted(of_task))}"
        elif named:
            hint = f"'{named[0].name}' exists for {', '.join(sorted(claim.task for claim in named))}; {hint}"
        return UserError(f"unknown {group.noun} '{text}'{scope}", hint)

    def _disabled_by(self, claim: Claim) -> str:
        return next((text for text in self._disabled if claim.is_called(text)), "")

    def _load(self, claim: Claim, kind: type[DescriptorT]) -> DescriptorT:
        """Raises whatever is wrong with it."""
        if claim not in self._loaded:
            self._loaded[claim] = import_target(claim.target)
        descriptor = _of_kind(kind, claim, self._loaded[claim])
        _check_name(claim, descriptor)
        return descriptor

    def _entry(self, claim: Claim) -> Entry:
        error, descriptor = "", None
        rivals = [other for other in self._claims if (other.group, other.task, other.name) == _key(claim)]
        enabled = [other for other in rivals if not self._disabled_by(other)]
        if self._disabled_by(claim):
            error = f"disabled by --disable {self._disabled_by(claim)}"
        else:
            try:
                descriptor = self._load(claim, claim.group.descriptor)
                error = f"claimed by {_distributions(enabled)}" if len(enabled) > 1 else ""
            except (Exception, SystemExit) as failure:  # listed with its error, and no other plugin is harmed
                error = _reason(failure)
        source = claim.source
        return Entry(
            group=claim.group.name,
            task=claim.task,
            name=claim.name,
            distribution=source.name,
            version=source.version,
            descriptor=descriptor,
            error=error,
        )


def _key(claim: Claim) -> tuple[Group, str, str]:
    return claim.group, claim.task, claim.name


def _distributions(claims: Sequence[Claim]) -> str:
    return " and ".join(f"{claim.source.name} {claim.source.version}" for claim in claims)


def _reason(error: BaseException) -> str:
    # Our own errors speak for themselves; a foreign one needs its type to be understood.
    return error.message if isinstance(error, PluginError) else f"{type(error).__name__}: {error}"


def _of_kind(kind: type[DescriptorT], claim: Claim, found: Any) -> DescriptorT:
    if isinstance(found, kind):
        return found
    message = f"{claim.target} is of type {type(found).__name__}, not a {kind.__name__}"
    raise PluginError(message)


def _check_name(claim: Claim, descriptor: Descriptor) -> None:
    task = f"{descriptor.task}." if isinstance(descriptor, (ModelDescriptor, DatasetDescriptor)) else ""
    stated = f"{claim.task}.{claim.name}" if claim.task else claim.name
    if stated != f"{task}{descriptor.name}":
        message = f"the entry point is called '{stated}', but its descriptor says '{task}{descriptor.name}'"
        raise PluginError(message)
