import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


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


def test_the_schema_of_records_has_not_changed_by_accident(reference):
    """What old readers or old records do not survive needs a new schema version and a fixture of the old one."""
    assert reference.SCHEMA.read_text(encoding="utf-8") == reference.schema(), "run: python docs/make_reference.py"
