"""Writes the key tables of `benchmark_files.md` and the JSON Schemas of results from the models that validate them.

Run `python docs/make_reference.py` after a change of `harness.spec` or of a format in `harness.store`; a test
compares the files with what this makes, so that no format changes by accident. Schemas of older versions stay as
they were released.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from harness.spec.benchmark import Benchmark, Calibration, Evaluation, Measurement, ModelChoice, Oracle
from harness.spec.budget import Schedule, TrainingBudget
from harness.spec.exclusion import Exclusion
from harness.spec.expected_failures import ExpectedFailure
from harness.store.model_check import CHECK_SCHEMA, CheckFile
from harness.store.record import RECORD_SCHEMA, CellRecord
from harness.store.summary import SUMMARY_SCHEMA, SummaryFile

PAGE = Path(__file__).parent / "benchmark_files.md"
SCHEMAS: dict[Path, type[BaseModel]] = {
    Path(__file__).parent / f"record.v{RECORD_SCHEMA}.schema.json": CellRecord,
    Path(__file__).parent / f"summary.v{SUMMARY_SCHEMA}.schema.json": SummaryFile,
    Path(__file__).parent / f"check.v{CHECK_SCHEMA}.schema.json": CheckFile,
}
SEALED: tuple[type[BaseModel], ...] = (CellRecord,)
CHECKSUM = {
    "description": "SHA-256 of the file's bytes with this digest written as 64 zeros.",
    "pattern": "^[0-9a-f]{64}$",
    "title": "Checksum",
    "type": "string",
}
MARK = "<!-- below this line: made by docs/make_reference.py -->"
TABLES: dict[str, type[BaseModel]] = {
    "Keys": Benchmark,
    "`models`, as mappings": ModelChoice,
    "`training` and `recovery`": TrainingBudget,
    "`schedule`": Schedule,
    "`calibration`": Calibration,
    "`evaluation`": Evaluation,
    "`measurement`": Measurement,
    "`oracle`": Oracle,
    "`exclude`": Exclusion,
    "Expected failures": ExpectedFailure,
}


def page(current: str) -> str:
    """Returns the page with fresh tables below the mark."""
    written = current.partition(MARK)[0]
    tables = "\n".join(_table(title, model) for title, model in TABLES.items())
    return f"{written}{MARK}\n\n{tables}"


def schema(model: type[BaseModel]) -> str:
    """Returns the JSON Schema of a file that runs write."""
    content = model.model_json_schema()
    if model in SEALED:
        content["properties"] = {"checksum": CHECKSUM, **content["properties"]}
        content["required"] = ["checksum", *content["required"]]
    return json.dumps(content, indent=2) + "\n"


def _table(title: str, model: type[BaseModel]) -> str:
    lines = [f"## {title}", "", "| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default in (None, ()) or isinstance(default, BaseModel) else f"`{default}`"
        shown = "required" if field.is_required() else shown
        lines.append(f"| `{name}` | {shown} | {field.description or 'See below.'} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    for path, model in SCHEMAS.items():
        path.write_text(schema(model), encoding="utf-8")
