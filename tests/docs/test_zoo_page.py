import importlib.util
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"
FAILED = {
    "name": "Broken",
    "config": "mmdet::broken/broken",
    "versions": {"torch": "2.0"},
    "verdict": "fails",
    "problems": ["trace: TraceError: a <b> stays"],
    "wall_seconds": 60.0,
}
PASSED = {
    **FAILED,
    "name": "Sound",
    "config": "mmseg::sound/sound",
    "verdict": "passes",
    "problems": [],
    "cpu_seconds": 120.0,
    "passage": {
        "groups": 3,
        "classes": 40,
        "removable": 0.75,
        "pinned": {"it reaches an output of the network": 2, "one": 1, "two": 1, "three": 1},
        "notes": [],
        "parameters": [2_000_000, 500_000],
        "macs": [4_000_000_000, 1_000_000_000],
        "checks": [{"name": "masked_equals_physical", "verdict": "pass", "value": 3e-7, "detail": ""}],
        "differing": [],
    },
}


@pytest.fixture(scope="module")
def matrix():
    spec = importlib.util.spec_from_file_location("make_zoo_matrix", DOCS / "make_zoo_matrix.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_exactly_the_models_of_the_list(matrix):
    text = matrix.PAGE.read_text(encoding="utf-8")
    assert sorted(matrix.listed(text)) == sorted(matrix.models())
    assert len(matrix.models()) == len(set(matrix.models()))


def test_the_page_says_what_the_list_expects(matrix):
    """A model that the list expects to fail has its reason on the page, and no other has."""
    reasons = matrix.PAGE.read_text(encoding="utf-8").partition("## Why not")[2].partition("## ")[0]
    named = {line.split("**")[1] for line in reasons.splitlines() if line.startswith("* **")}
    assert named == matrix.expected_failures()


def test_a_row_has_the_figures_of_its_model_and_the_totals_count_all(matrix):
    text = matrix.page(f"# Title\n\n{matrix.MARK}\nold", [PASSED, FAILED])
    assert text.startswith("# Title\n")
    assert "old" not in text
    assert matrix.listed(text) == ["Sound", "Broken"]
    assert "2 models; pass: 1; pass, some layers pinned by the trial: 0; fail: 1; not built here: 0." in text
    assert "With torch 2.0; 3 minutes of one CPU core altogether." in text
    row = next(line for line in text.splitlines() if line.startswith("| Sound"))
    assert row == (
        "| Sound | `mmseg::sound/sound` | pass | 3 | 40 | 75% | 2 it reaches an output of the network; 1 one; 2 others "
        "| 2.00 > 0.50 (25%) | 4.000 > 1.000 (25%) | 3e-07 | bit-equal | 120 |"
    )
    assert "* **Broken**: trace: TraceError: a \\<b> stays" in text


def test_what_the_trial_pinned_is_told_apart(matrix):
    noted = {**PASSED, "passage": {**PASSED["passage"], "notes": ["pinned `head`: it failed"]}}
    text = matrix.page("", [noted])
    assert "pass: 0; pass, some layers pinned by the trial: 1;" in text
    assert "* **Sound**: pinned `head`: it failed" in text
