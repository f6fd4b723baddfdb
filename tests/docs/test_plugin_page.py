"""The page on plugins shows the example plugin as it is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
SHOWN = dict(re.findall(r"^`(tests/example_plugin/\S+)`:\n\n```\w+\n(.*?)```$", PAGE, re.MULTILINE | re.DOTALL))


def test_descriptor_criterion_and_project_are_shown():
    folder = "tests/example_plugin"
    names = ("bench_example/descriptors.py", "bench_example/criterion.py", "pyproject.toml")
    assert list(SHOWN) == [f"{folder}/{name}" for name in names]


@pytest.mark.parametrize("path", SHOWN)
def test_a_code_block_is_its_file(path):
    assert SHOWN[path] == (ROOT / path).read_text(encoding="utf-8")


MODEL_PAGE = (ROOT / "docs" / "third_party_models.md").read_text(encoding="utf-8")
MODEL_SHOWN = dict(
    re.findall(r"^`(tests/example_model/\S+)`:\n\n```\w+\n(.*?)```$", MODEL_PAGE, re.MULTILINE | re.DOTALL)
)


def test_all_of_the_example_model_is_shown():
    folder = ROOT / "tests" / "example_model"
    files = {path.relative_to(ROOT).as_posix() for path in folder.rglob("*") if path.suffix in (".py", ".toml")}
    assert set(MODEL_SHOWN) == {path for path in files if not path.endswith("__init__.py")}


@pytest.mark.parametrize("path", MODEL_SHOWN)
def test_a_code_block_of_the_model_is_its_file(path):
    assert MODEL_SHOWN[path] == (ROOT / path).read_text(encoding="utf-8")


def test_the_pages_of_the_design_notes_exist():
    index = (ROOT / "docs" / "design" / "README.md").read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\((\w+\.md)\)", index))
    assert linked == {path.name for path in (ROOT / "docs" / "design").glob("*.md")} - {"README.md"}
