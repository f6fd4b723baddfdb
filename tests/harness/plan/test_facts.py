"""What rules may ask of planned cells."""

from pathlib import Path

import pytest
from invented_plugins import invented_registry

from harness.plan.expansion import facts_of
from harness.plan.plan import make_plan
from harness.spec.benchmark import Benchmark
from harness.spec.expected_failures import fitted, load_expected_failures


@pytest.fixture
def made(tmp_path, monkeypatch):
    folder = tmp_path / "installed"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    keys = {"methods": ["prune", "search(steps=2)"], "pipelines": ["prune@0.25+nothing+prune@0.5"], "ratios": [0.5]}
    return make_plan(Benchmark.model_validate({"name": "test", **keys}), invented_registry(folder))


def test_facts_are_those_of_the_whole_pipeline(made):
    assert [facts_of(planned.cell) for planned in made.cells][-1] == {
        "model": "net",
        "dataset": "shapes",
        "method": ["prune", "nothing", "prune", "tune"],
        "ratio": [0.25, 0.5],
        "precision": [],
        "seed": 0,
        "pipeline": "prune@0.25+nothing+prune@0.5+tune",
    }


def test_expected_failures_find_planned_cells(made, tmp_path):
    file = tmp_path / "known.yaml"
    file.write_text("- {pipeline: search@0.5(steps=2), reason: x}\n- {method: nothing, reason: y}\n")
    facts = [facts_of(planned.cell) for planned in made.cells]
    entries = fitted(load_expected_failures(Path(file)), facts, made.methods)
    assert [[entry.concerns(of_cell) for of_cell in facts] for entry in entries] == [
        [False, True, False],
        [False, False, True],
    ]
