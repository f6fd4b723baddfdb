"""`checkpoint:` of a model, as files and flags say it."""

from pathlib import Path

import pytest
import yaml

from harness.errors import UserError
from harness.spec.benchmark import Benchmark
from harness.spec.benchmark_file import load_benchmark, override


@pytest.fixture
def load(tmp_path):
    def load_text(text):
        (tmp_path / "demo.yaml").write_text(text, encoding="utf-8")
        return load_benchmark(tmp_path / "demo.yaml")

    return load_text


def checkpoints(benchmark):
    return [model.checkpoint for model in benchmark.models]


def test_a_path_is_relative_to_the_benchmark_file(load, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    entries = ["{name: a, checkpoint: weights/a.pth, width: 3}", "b", "{name: c, checkpoint: /x/c.pth}",
               "{name: d, checkpoint: ~/d.pth}"]  # fmt: skip
    benchmark = load(f"models: [{', '.join(entries)}]")
    assert checkpoints(benchmark) == [tmp_path / "weights/a.pth", None, Path("/x/c.pth"), Path("/home/me/d.pth")]
    assert benchmark.models[0].options == {"width": 3}


def test_a_file_that_is_named_relatively_makes_it_absolute_too(load, tmp_path, monkeypatch):
    load("models: [{name: a, checkpoint: a.pth}]")
    monkeypatch.chdir(tmp_path)
    assert checkpoints(load_benchmark(Path("demo.yaml"))) == [tmp_path / "a.pth"]


def test_what_a_run_writes_down_means_the_same_anywhere(load, tmp_path):
    benchmark = override(load("models: [{name: a, checkpoint: a.pth}, b]\nmethods: [l1]"), {"ratios": "0.5"})
    written = tmp_path / "results" / "benchmark.yaml"
    written.parent.mkdir()
    written.write_text(yaml.safe_dump(dict(benchmark.written())))
    assert load_benchmark(written) == benchmark
    assert yaml.safe_load(written.read_text())["models"] == [
        {"name": "a", "checkpoint": str(tmp_path / "a.pth")},
        {"name": "b"},
    ]


def test_an_assignment_is_relative_to_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    benchmark = override(Benchmark(), {}, ["models=[{name: a, checkpoint: a.pth}]"])
    assert checkpoints(benchmark) == [tmp_path / "a.pth"]


def test_a_data_set_has_none(load):
    assert load("datasets: [{name: digits, checkpoint: x.pth}]").datasets[0].options == {"checkpoint": "x.pth"}


def test_what_is_no_path(load):
    with pytest.raises(UserError, match=r"demo\.yaml:1: models\[0\]\.checkpoint"):
        load("models: [{name: a, checkpoint: 3}]")
