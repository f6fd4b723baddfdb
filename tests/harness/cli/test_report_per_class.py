import csv
import io
import json

import pytest
from records import make_record

from harness.store.layout import Layout
from harness.store.record import write_record

CELL = "residual_fcn__digits__l1@0.5+finetune__seed0"


@pytest.fixture
def classes(tmp_path):
    """A results folder with one cell whose records have figures of classes."""
    record = make_record("l1@0.5+finetune")
    before = {"mIoU": 0.6, "IoU.road": 0.9, "IoU.sky": None, "accuracy.road": 0.95, "accuracy.sky": 0.5}
    after = {**before, "IoU.road": 0.75}
    steps = [record.steps[-1].model_copy(update={"metrics": after})]
    baseline = record.baseline.model_copy(update={"metrics": before})
    folder = tmp_path / "results" / "demo"
    write_record(Layout(folder), record.model_copy(update={"baseline": baseline, "steps": steps}))
    return folder


def test_the_table_names_figure_classes_and_models(bench, classes):
    output = bench("report", classes, "--per-class").output
    for text in ("demo: IoU of each class", "road", "sky", "baseline", "l1 0.5", "90.0%", "75.0% -15.0", "–"):
        assert text in output


def test_formats_hold_raw_values(bench, classes):
    rows = json.loads(bench("report", classes, "--per-class", "--json").output)
    assert rows == [{"class": "road", "baseline": 0.9, CELL: 0.75}, {"class": "sky", "baseline": None, CELL: None}]
    table = bench("report", classes, "--per-class", "--metric", "accuracy", "--format", "csv").output
    assert next(csv.DictReader(io.StringIO(table))) == {"class": "road", "baseline": "0.95", CELL: "0.95"}
    markdown = bench("report", classes, "--per-class", "--format", "markdown").output.splitlines()
    assert markdown[2].split() == ["|", "road", "|", "90.0%", "|", "75.0%", "-15.0", "|"]


def test_a_large_drop_is_red_in_a_terminal(bench, classes, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    lines = bench("report", classes, "--per-class").output.splitlines()
    assert "\x1b[31m" in next(line for line in lines if "road" in line)
    assert "\x1b[31m" not in next(line for line in lines if "sky" in line)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "accuracy"], "--metric: it is the figure of the table of classes"),
        (["--per-class", "--metric", "acuracy"], "--metric: no record has 'acuracy' of single classes"),
        (["--per-class", "--sort", "retention"], "--sort: the table of classes has no use for it"),
        (["--per-class", "--columns", "all"], "--columns: the table of classes has no use for it"),
        (["--per-class", "--out", "x"], "--out: the table of classes has no use for it"),
        (["--per-class", "--format", "vss"], "--format vss: it is written as files"),
        (["--per-class", "--format", "cvs"], "--format: there is no format 'cvs'"),
    ],
)
def test_mistakes(bench, classes, arguments, message):
    result = bench("report", classes, *arguments)
    assert result.exit_code == 2
    assert f"error: {message}" in result.stderr


def test_results_without_classes_say_so(bench, results):
    result = bench("report", results, "--per-class")
    assert result.exit_code == 2
    assert "no record here has figures of single classes" in result.stderr
