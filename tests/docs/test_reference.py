import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from harness.store.record import RECORD_SCHEMA
from harness.store.summary import SUMMARY_SCHEMA

DOCS = Path(__file__).parents[2] / "docs"
RECORDS = Path(__file__).parents[1] / "fixtures" / "records"
RELEASED = {"record.v1.schema.json": "5ed9e3723e7cdf9a4259abdbce4c509f0531df82b76bf7a7c8f872371ac2244c"}


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_reference_of_benchmark_files_is_up_to_date(reference):
    current = reference.PAGE.read_text(encoding="utf-8")
    assert reference.page(current) == current, "run: python docs/make_reference.py"
    assert "| `ratios` |" in current


def test_the_schemas_of_results_have_not_changed_by_accident(reference):
    """What old readers or old files do not survive needs a new schema version and a fixture of the old one."""
    names = ["record.v2.schema.json", "summary.v1.schema.json", "check.v1.schema.json"]
    assert [path.name for path in reference.SCHEMAS] == names
    for path, model in reference.SCHEMAS.items():
        assert path.read_text(encoding="utf-8") == reference.schema(model), "run: python docs/make_reference.py"


@pytest.mark.parametrize(("name", "newest"), [("record", RECORD_SCHEMA), ("summary", SUMMARY_SCHEMA)])
def test_every_released_version_has_its_schema(name, newest):
    assert {path.name for path in DOCS.glob(f"{name}.v*.schema.json")} == {
        f"{name}.v{version}.schema.json" for version in range(1, newest + 1)
    }
    for version in range(1, newest + 1):
        content = json.loads((DOCS / f"{name}.v{version}.schema.json").read_text(encoding="utf-8"))
        assert content["properties"]["schema_version"]["const"] == version


def test_the_schema_of_records_knows_every_key_of_a_record():
    for version in range(1, RECORD_SCHEMA + 1):
        schema = json.loads((DOCS / f"record.v{version}.schema.json").read_text(encoding="utf-8"))
        content = json.loads((RECORDS / f"v{version}.json").read_text(encoding="utf-8"))
        assert list(content) == list(schema["properties"])
        assert set(schema["required"]) <= set(content)
        assert ("checksum" in schema["required"]) == (version > 1)


@pytest.mark.parametrize(("name", "digest"), RELEASED.items())
def test_a_released_schema_stays_as_it_was(name, digest):
    assert hashlib.sha256((DOCS / name).read_bytes()).hexdigest() == digest
