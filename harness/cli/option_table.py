"""What a plugin's options are, as `bench list --options NAME` shows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.registry.descriptors import MethodDescriptor, Options
from harness.spec.suggestion import did_you_mean

if TYPE_CHECKING:
    from harness.registry import Registry

_KINDS = {"method": "bench.methods", "model": "bench.models", "dataset": "bench.datasets"}
_LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def options_of(name: str, registry: Registry) -> list[dict[str, Any]]:
    """Returns each plugin of this name with its options: option, type, default, meaning.

    Raises:
        UserError: No method, model or data set that could be loaded has this name.
    """
    found: list[dict[str, Any]] = []
    names: list[str] = []
    broken: dict[str, str] = {}
    for kind, group in _KINDS.items():
        for entry in registry.entries(group):
            if entry.descriptor is None:
                broken |= {entry.name: entry.error}
                continue
            names.append(entry.name)
            if entry.name == name:
                options: type[Options] = entry.descriptor.options  # type: ignore[attr-defined]
                schema, seed = options.model_json_schema(), options.seed_defaults
                rows = [_row(option, field, schema, seed) for option, field in schema.get("properties", {}).items()]
                plugin = {"kind": kind, "name": name, "distribution": entry.distribution, "options": rows}
                found.append({**plugin, **_method(entry.descriptor)})
    if not found and name in broken:
        message = f"--options: {name!r} cannot be loaded: {broken[name]}"
        raise UserError(message, "`bench list` shows where it comes from.")
    if not found:
        message = f"--options: there is no method, model or data set called {name!r}"
        raise UserError(message, did_you_mean(name, names, "plugins with options"))
    return found


def table(plugin: dict[str, Any]) -> object:
    """Returns the options of a plugin as a table for people."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    title = f"{plugin['kind']} {plugin['name']} of {plugin['distribution']}"
    found = Table(title=title, title_justify="left", header_style="bold", min_width=60)
    heads = ("option", "type", "default", "meaning")
    for head in heads:
        found.add_column(head, overflow="fold")
    for row in plugin["options"]:
        default = "(required)" if row["required"] else _written(row["default"])
        found.add_row(*map(Text, (row["option"], row["type"], default, row["meaning"])))
    told = Text("\n".join([f"{title} has no options."][: not plugin["options"]] + _origin(plugin)))
    return Group(*([found] if plugin["options"] else []), told)


def _method(descriptor: Any) -> dict[str, Any]:
    """Returns what a method says of itself besides its options."""
    if not isinstance(descriptor, MethodDescriptor):
        return {}
    source = descriptor.source
    return {"needs": sorted(descriptor.needs), "source": asdict(source) if source is not None else None}


def _origin(plugin: dict[str, Any]) -> list[str]:
    lines = [f"needs: {', '.join(plugin['needs'])}"] if plugin.get("needs") else []
    if plugin.get("source"):
        source = plugin["source"]
        lines += [f"source: {source['paper']}, {source['where']}", f"{source['fidelity']}: {source['note']}"]
    return lines


def _row(option: str, field: dict[str, Any], schema: dict[str, Any], seed: Mapping[str, Any]) -> dict[str, Any]:
    other = f" Default under protocol seed: {_written(seed[option])}." if option in seed else ""
    return {
        "option": option,
        "type": _type(field, schema),
        "default": field.get("default"),
        "required": option in schema.get("required", ()),
        "meaning": field.get("description", "") + other,
    }


def _type(field: dict[str, Any], schema: dict[str, Any]) -> str:
    """Returns a JSON Schema's type in words."""
    if "$ref" in field:
        return _type(schema["$defs"][field["$ref"].rpartition("/")[2]], schema)
    if "enum" in field:
        return " | ".join(map(_written, field["enum"]))
    if "const" in field:
        return _written(field["const"])
    if "anyOf" in field:
        return " | ".join(_type(part, schema) for part in field["anyOf"])
    if field.get("type") == "array":
        items = field.get("items")
        return f"list of {_type(items, schema)}" if items else "list"
    limits = [f"{sign} {field[name]}" for name, sign in _LIMITS.items() if name in field]
    kind = {"null": "none", "object": "mapping"}.get(field.get("type", ""), field.get("type", "any"))
    return " ".join([kind, ", ".join(limits)]).strip()


def _written(value: Any) -> str:
    """Returns a value as it is written on the command line."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(_written, value)) or "(none)" if isinstance(value, (list, tuple)) else str(value)
