"""`bench list`: what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from harness.cli import options
from harness.errors import UserError

if TYPE_CHECKING:
    from harness.registry import Descriptor, Entry, ModelDescriptor, Registry

_GROUPS = {
    "tasks": "bench.tasks",
    "models": "bench.models",
    "datasets": "bench.datasets",
    "methods": "bench.methods",
    "transforms": "bench.transforms",
    "executors": "bench.executors",
    "runtimes": "bench.runtimes",
    "report_formats": "bench.report_formats",
}


def list_plugins(
    what: Annotated[
        list[str] | None,
        typer.Argument(help=f"Of {', '.join(_GROUPS)}.  [default: all that have any]", show_default=False),
    ] = None,
    zoo: Annotated[
        str | None,
        typer.Option("--zoo", help="List a model zoo's members instead, e.g. mmseg.", show_default=False),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--options", help="List a plugin's options instead, e.g. fpgm.", show_default=False),
    ] = None,
    disable: options.Disable = None,
    as_json: options.Json = False,
) -> None:
    """List plugins: name, family, axis, what it is, and which distribution it comes from.

    A plugin that cannot be loaded is listed with its error.
    """
    from harness.registry import discover
    from harness.spec.suggestion import did_you_mean

    for name in what or ():
        if name not in _GROUPS:
            message = f"bench list: there is nothing called {name!r}"
            raise UserError(message, did_you_mean(name, _GROUPS, "kinds of plugins"))
    registry = discover(disabled=options.names_of(disable))
    if zoo is not None:
        _show_members(zoo, registry, as_json)
        return
    if of is not None:
        _show_options(of, registry, as_json)
        return
    listed = {name: registry.entries(_GROUPS[name]) for name in what or _GROUPS}
    if as_json:
        import json

        rows = {name: [_row(entry) for entry in entries] for name, entries in listed.items()}
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console

    console = Console()
    for name, entries in listed.items():
        if entries or what:
            console.print(_table(name, [_row(entry) for entry in entries]))


def _show_members(zoo: str, registry: Registry, as_json: bool) -> None:
    from harness.spec.suggestion import did_you_mean

    models = [entry.descriptor for entry in registry.entries("bench.models") if entry.descriptor is not None]
    zoos = {model.name: model for model in models if getattr(model, "zoo", False)}
    if zoo not in zoos:
        message = f"--zoo: there is no model zoo called {zoo!r}"
        raise UserError(message, did_you_mean(zoo, zoos, "zoos"))
    names = [f"{zoo}::{member}" for member in cast("ModelDescriptor", zoos[zoo]).members()]
    if as_json:
        import json

        typer.echo(json.dumps(names, indent=2))
    else:
        typer.echo("\n".join(names))


def _show_options(name: str, registry: Registry, as_json: bool) -> None:
    from harness.cli.option_table import options_of, table

    found = options_of(name, registry)
    if as_json:
        import json

        typer.echo(json.dumps(found, indent=2))
        return
    from rich.console import Console

    console = Console()
    for plugin in found:
        console.print(table(plugin))


def _row(entry: Entry) -> dict[str, str | None]:
    descriptor = entry.descriptor
    return {
        "name": entry.name if descriptor is None else _name(descriptor),
        "family": _family(descriptor),
        "axis": getattr(descriptor, "axis", None),
        "summary": descriptor.summary if descriptor is not None else None,
        "error": entry.error or None,
        "distribution": entry.distribution,
        "version": entry.version,
    }


def _name(descriptor: Descriptor) -> str:
    return f"{descriptor.name}::<config>" if getattr(descriptor, "zoo", False) else descriptor.name


def _family(descriptor: Descriptor | None) -> str | None:
    family: str | None = getattr(descriptor, "family", None) or getattr(descriptor, "task", None)
    return family


def _table(title: str, rows: list[dict[str, str | None]]) -> object:
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title.replace("_", " "), title_justify="left", header_style="bold", min_width=60)
    with_axis = title == "methods"
    heads = ["name", "family" if with_axis else "task", "axis", "what", "from"]
    shown = [head for head in heads if with_axis or head != "axis"]
    for head in shown:
        table.add_column(head, overflow="fold")
    for row in rows:
        broken = row["error"] is not None
        texts = {
            heads[0]: row["name"],
            heads[1]: row["family"],
            "axis": row["axis"],
            "what": f"BROKEN: {row['error']}" if broken else row["summary"],
            "from": f"{row['distribution']} {row['version']}",
        }
        table.add_row(*(Text(texts[head] or "") for head in shown), style="red" if broken else "")
    return table
