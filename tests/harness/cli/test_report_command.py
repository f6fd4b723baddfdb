import csv
import io
import json

import pytest
from cells import complete


def test_every_cell_is_in_the_table_the_failed_one_too(bench, results):
    result = bench("report", results)
    assert result.exit_code == 0
    for text in ("baseline", "fpgm", "l1", "random", "failed: oom", "96.7%", "x0.70 [0.65, 0.75]"):
        assert text in result.output


def test_csv_has_raw_values_and_empty_fields_for_missing_ones(bench, results):
    rows = list(csv.DictReader(io.StringIO(bench("report", results, "--format", "csv").output)))
    assert [row["method"] for row in rows] == ["baseline", "fpgm", "l1", "l1", "random"]
    failed = next(row for row in rows if row["status"] == "failed")
    assert failed["retention"] == ""
    assert float(rows[1]["metric_after_recovery"]) == 0.58


def test_json_has_null_for_missing_values(bench, results):
    rows = json.loads(bench("report", results, "--json").output)
    failed = next(row for row in rows if row["status"] == "failed")
    assert failed["latency_ratio"] is None
    assert rows == json.loads(bench("report", results, "--format", "json").output)


def test_markdown_and_latex_are_tables(bench, results):
    markdown = bench("report", results, "--format", "markdown").output.splitlines()
    assert markdown[1].startswith("|--")
    assert len(markdown) == 2 + 5
    latex = bench("report", results, "--format", "latex").output
    assert latex.startswith("\\begin{tabular}")
    assert "96.7\\%" in latex


@pytest.mark.parametrize(("sort", "first"), [("retention", "random"), ("-retention", "l1")])
def test_sorting_puts_missing_values_last(bench, results, sort, first):
    rows = json.loads(bench("report", results, "--json", "--sort", sort).output)
    assert rows[0]["method"] == first
    assert rows[-1]["retention"] is None


def test_columns_are_those_that_were_asked_for_in_their_order(bench, results):
    output = bench("report", results, "--columns", "status,method", "--format", "csv").output
    assert output.splitlines()[:2] == ["status,method", "complete,baseline"]


def test_a_parent_of_runs_names_each_run(bench, results):
    other = results.parent / "other"
    results.rename(other)
    assert "other" not in bench("report", other, "--columns", "method,status").output.splitlines()[-2]
    import shutil

    shutil.copytree(other, results)
    output = bench("report", results.parent).output
    assert "demo" in output
    assert "other" in output


@pytest.mark.parametrize("damage", [lambda raw: b"{", lambda raw: b"", lambda raw: raw.replace(b"0.58", b"0.98")])
def test_a_damaged_record_is_named_and_hides_no_other(bench, results, damage):
    (record,) = results.glob("cells/*fpgm*/record.json")
    record.write_bytes(damage(record.read_bytes()))
    result = bench("report", results, "--format", "csv")
    assert result.exit_code == 0
    assert f"warning: left out: {record}: " in result.stderr
    assert [row["method"] for row in csv.DictReader(io.StringIO(result.stdout))] == ["baseline", "l1", "l1", "random"]
    assert record.exists(), "a report moves nothing"


def test_a_folder_of_baselines_alone_has_their_metrics_and_what_to_type(bench, run_folder):
    complete(run_folder.layout, run_folder.cells[0].points[0].made)
    metrics = {"mIoU": 0.25, "pixel_accuracy": None, "IoU.road": 0.5}
    complete(run_folder.layout, run_folder.cells[0].points[0].evaluated, metrics=metrics)
    root = run_folder.layout.root
    result = bench("report", root)
    assert result.exit_code == 0
    assert "residual_fcn · digits · seed 0" in result.stdout
    assert "mIoU 0.25, pixel_accuracy undefined" in result.stdout
    assert "IoU.road" not in result.stdout
    assert "method" not in result.stdout
    assert f"{root}: no cells, nothing but baselines" in result.stderr
    assert f"bench run --methods fpgm --ratios 0.5 --out {root}" in result.stderr
    assert json.loads(bench("report", root, "--json").stdout) == []


def test_a_folder_without_anything_says_so(bench, run_folder):
    assert "no cells, no baseline that was evaluated either" in bench("report", run_folder.layout.root).stderr


def test_a_folder_with_cells_is_told_nothing_of_it(bench, results):
    assert bench("report", results).stderr == ""
