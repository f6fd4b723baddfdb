"""`bench why`: one cell explained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import options
from harness.cli.cell_choice import choose_cell

if TYPE_CHECKING:
    from harness.execution.inspection import InspectedCell, Inspection
    from harness.plan.stage import Stage

_SHOWN_DIGITS = 12


def why(
    cell: Annotated[str, typer.Argument(help="A cell's name, its pipeline, or a part of it that no other has.")],
    results: Annotated[Path, typer.Argument(help="A results folder, or a parent of several.")] = Path("results"),
    as_json: options.Json = False,
) -> None:
    """Explain one cell: its stages, their identities and inputs, and what would make them run again."""
    inspection, found = choose_cell(cell, results)
    if as_json:
        import json

        typer.echo(json.dumps(_as_json(inspection, found), indent=2))
        return
    for line in _lines(inspection, found):
        typer.echo(line)
    for problem in inspection.problems:
        typer.echo(f"warning: {problem}", err=True)


def _lines(inspection: Inspection, cell: InspectedCell) -> Iterator[str]:
    yield f"{cell.name}: {cell.standing}"
    yield f"  record: {inspection.layout.record(cell.name)}" + ("" if cell.record else " (not there)")
    if cell.planned is None or inspection.standings is None:
        yield from _recorded_lines(cell)
        return
    for stage in cell.planned.stages:
        yield ""
        standing = inspection.standings.stage(stage)
        yield f"{stage.label}: {standing}"
        if standing.failure is not None:
            yield from (f"  {text}" for text in standing.failure.hint.splitlines())
            yield f"  log: {inspection.layout.root / standing.failure.log}"
        yield f"  identity: {stage.identity[:_SHOWN_DIGITS]}  in {inspection.layout.stage(stage.kind, stage.identity)}"
        for role, source in stage.inputs:
            yield f"  {role} from: {source.label} ({source.identity[:_SHOWN_DIGITS]})"
        yield "  runs again when one of these changes:"
        for line in _determinants(stage):
            yield f"    {line}"


def _determinants(stage: Stage) -> Iterator[str]:
    fields = stage.fields
    for role, plugin in fields.plugins.items():
        source = f", source {str(plugin['source'])[:_SHOWN_DIGITS]}" if plugin.get("source") else ""
        yield f"plugin {role}: {plugin['distribution']} {plugin['version']}{source}"
    if fields.dataset is not None:
        yield f"data set fingerprint: {fields.dataset[:_SHOWN_DIGITS]}"
    for key, value in _flat(fields.parameters):
        yield f"{key}: {value}"
    for role, _ in stage.inputs:
        yield f"anything that {role} depends on"
    yield f"engine semantics: {fields.semantics}"


def _flat(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _recorded_lines(cell: InspectedCell) -> Iterator[str]:
    yield "  Not among what the last run asked for, or it cannot be planned today; its record names these stages:"
    for stage in cell.record.stages if cell.record else ():
        yield f"  {stage.label}: {stage.state} ({stage.identity[:_SHOWN_DIGITS]})"


def _as_json(inspection: Inspection, cell: InspectedCell) -> dict[str, Any]:
    stages = cell.planned.stages if cell.planned is not None and inspection.standings is not None else ()
    return {
        "cell": cell.name,
        "state": cell.standing.state,
        "reason": cell.standing.reason,
        "record": str(inspection.layout.record(cell.name)),
        "stages": [_stage_json(inspection, stage) for stage in stages],
        "problems": inspection.problems,
    }


def _stage_json(inspection: Inspection, stage: Stage) -> dict[str, Any]:
    assert inspection.standings is not None
    standing = inspection.standings.stage(stage)
    return {
        "kind": stage.kind,
        "label": stage.label,
        "state": standing.state,
        "reason": standing.reason,
        "failure": standing.failure.model_dump(mode="json") if standing.failure else None,
        "identity": stage.identity,
        "folder": str(inspection.layout.stage(stage.kind, stage.identity)),
        "inputs": {role: source.identity for role, source in stage.inputs},
        "fields": stage.fields.model_dump(mode="json"),
    }
