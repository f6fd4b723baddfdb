"""Formats that plugins add to `bench report --format`."""

import pytest
from installation import install

DESCRIPTOR = """
from harness.registry import ReportFormatDescriptor

LINES = ReportFormatDescriptor(name="lines", summary="Lines.", implementation="invented_lines:Lines")
LIST = ReportFormatDescriptor(name="list", summary="No text.", implementation="invented_lines:List")
FAULTY = ReportFormatDescriptor(name="faulty", summary="Fails.", implementation="invented_lines:Faulty")
PAGES = ReportFormatDescriptor(name="pages", summary="Files.", implementation="invented_lines:Pages")
ESCAPING = ReportFormatDescriptor(name="escaping", summary="Wrong.", implementation="invented_lines:Escaping")
MISSING = ReportFormatDescriptor(name="missing", summary="Does not load.", implementation="invented_lines:Nothing")
"""
IMPLEMENTATION = """
from harness.registry.report import ReportFiles

class Pages(ReportFiles):
    def files(self, cells, benchmark):
        names = [cell["pipeline"] for cell in cells]
        return {"all.txt": ",".join(names), "one/first.txt": f"{cells[0]['status']} {benchmark.get('name')}"}

class Escaping(ReportFiles):
    def files(self, cells, benchmark):
        return {"../outside.txt": ""}

class Lines:
    def render(self, rows, columns):
        def text(row, column):
            value = row.get(column.name)
            return "none" if value is None else column.text(value, row)
        return "\\n".join("|".join(text(row, column) for column in columns) for row in rows)

class List:
    def render(self, rows, columns):
        return [rows]

class Faulty:
    def render(self, rows, columns):
        raise ZeroDivisionError("by design")
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    folder = tmp_path / "site-packages"
    names = ("lines", "list", "faulty", "missing", "pages", "escaping")
    points = {name: f"invented_formats:{name.upper()}" for name in names}
    modules = {"invented_formats": DESCRIPTOR, "invented_lines": IMPLEMENTATION}
    install(folder, "bench-lines", {"bench.report_formats": points}, **modules)
    monkeypatch.syspath_prepend(str(folder))


def test_a_plugins_format_renders_rows_and_columns(bench, results, plugin):
    result = bench("report", results, "--format", "lines", "--columns", "method,retention")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == ["baseline|none", "fpgm|96.7%", "l1|98.3%", "l1|none", "random|83.3%"]


def test_a_format_of_files_is_written_into_the_results_or_where_it_is_asked_for(bench, results, plugin, tmp_path):
    result = bench("report", results, "--format", "pages")
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [str(results / "pages" / name) for name in ("all.txt", "one/first.txt")]
    assert (results / "pages" / "all.txt").read_text(encoding="utf-8").count(",") >= 3
    bench("report", results, "--format", "pages", "--out", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / "one" / "first.txt").read_text(encoding="utf-8").startswith("complete")


def test_a_folder_that_cannot_be_written_to_is_a_mistake(bench, results, plugin, tmp_path):
    (tmp_path / "afile").touch()
    for out in (tmp_path / "afile", tmp_path / "afile" / "below"):
        result = bench("report", results, "--format", "pages", "--out", out)
        assert result.exit_code == 2
        assert f"error: --out {out}: not a folder, or not below one" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["pages", "--sort", "ratio"], "has no columns to choose or to sort by"),
        (["lines", "--out", "x"], "is printed, not written"),
        (["markdown", "--out", "x"], "is printed, not written"),
        (["escaping"], "names the file '../outside.txt'"),
    ],
)
def test_what_does_not_fit_a_format_is_said(bench, results, plugin, arguments, reason):
    result = bench("report", results, "--format", *arguments)
    assert result.exit_code == 2
    assert reason in result.output


@pytest.mark.parametrize(
    ("name", "reason"),
    [("faulty", "ZeroDivisionError: by design"), ("list", "returned list, not text"), ("missing", "does not load")],
)
def test_a_broken_format_names_its_distribution(bench, results, plugin, name, reason):
    result = bench("report", results, "--format", name)
    assert result.exit_code == 2
    assert "bench-lines" in result.output
    assert reason in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("wrong", "meant"), [("linse", "'lines'"), ("markdwon", "'markdown'"), ("rihc", "'rich'")])
def test_an_unknown_format_names_what_comes_close_of_all(bench, results, plugin, wrong, meant):
    result = bench("report", results, "--format", wrong)
    assert result.exit_code == 2
    assert f"--format: there is no format '{wrong}'" in result.output
    assert meant in result.output
