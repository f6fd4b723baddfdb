"""Writes the key tables of `benchmark_files.md` and the JSON Schema of records from the models that validate them.

Run `python docs/make_reference.py` after a change of `harness.spec` or `harness.store.record`; a test compares the
files with what this makes, so that no format changes by accident.
"""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import BaseModel

from harness.spec.benchmark import Benchmark, Calibration, Evaluation, Measurement
from harness.spec.budget import Schedule, TrainingBudget
from harness.spec.exclusion import Exclusion
from harness.store.record import RECORD_SCHEMA, CellRecord

PAGE = Path(__file__).parent / "benchmark_files.md"
SCHEMA = Path(__file__).parent / f"record.v{RECORD_SCHEMA}.schema.json"
MARK = "<!-- below this line: made by docs/make_reference.py -->"
TABLES: dict[str, type[BaseModel]] = {
    "Keys": Benchmark,
    "`training` and `recovery`": TrainingBudget,
    "`schedule`": Schedule,
    "`calibration`": Calibration,
    "`evaluation`": Evaluation,
    "`measurement`": Measurement,
    "`exclude`": Exclusion,
}


def page(current: str) -> str:
    """Returns the page with fresh tables below the mark."""
    written = current.partition(MARK)[0]
    tables = "\n".join(_table(title, model) for title, model in TABLES.items())
    return f"{written}{MARK}\n\n{tables}"


def schema() -> str:
    """Returns the JSON Schema of a cell's record."""
    return json.dumps(CellRecord.model_json_schema(), indent=2) + "\n"


def _table(title: str, model: type[BaseModel]) -> str:
    lines = [f"## {title}", "", "| key | default | meaning |", "| --- | --- | --- |"]
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        shown = "" if default in (None, ()) or isinstance(default, BaseModel) else f"`{default}`"
        lines.append(f"| `{name}` | {shown} | {field.description or 'See below.'} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    SCHEMA.write_text(schema(), encoding="utf-8")
