from pathlib import Path

import pytest

from harness.spec.benchmark import Benchmark
from harness.spec.benchmark_file import load_benchmark, override
from harness.spec.config_path import config_path_below, is_config_path


@pytest.mark.parametrize(
    ("name", "expected"), [("a/b.py", True), ("/a/b.py", True), ("mmseg::a/b.py", False), ("unet", False)]
)
def test_what_is_a_path(name, expected):
    assert is_config_path(name) is expected


def test_paths_are_relative_to_the_folder():
    assert config_path_below("a/b.py", Path("/here")) == "/here/a/b.py"
    assert config_path_below("/a/b.py", Path("/here")) == "/a/b.py"
    assert config_path_below("unet", Path("/here")) == "unet"


def test_of_a_file_they_are_relative_to_it_and_of_a_flag_to_where_one_is(tmp_path, monkeypatch):
    file = tmp_path / "grids" / "mine.yaml"
    file.parent.mkdir()
    file.write_text("models: [own.py, unet]")
    monkeypatch.chdir(tmp_path)
    assert [model.name for model in load_benchmark(file).models] == [str(tmp_path / "grids" / "own.py"), "unet"]
    (model,) = override(Benchmark(), {"models": "own.py"}).models
    assert model.name == str(tmp_path / "own.py")


@pytest.mark.parametrize("written", ["protect: backbone", "protect: [backbone]"])
def test_protect_is_a_pattern_or_several(tmp_path, written):
    file = tmp_path / "mine.yaml"
    file.write_text(written)
    assert load_benchmark(file).protect == ("backbone",)
    assert override(load_benchmark(file), {"protect": ["a", "b"]}).protect == ("a", "b")
    assert override(load_benchmark(file), {}, ["protect=a,*.b"]).protect == ("a", "*.b")
