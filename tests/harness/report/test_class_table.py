import pytest
from records import make_record

from harness.errors import UserError
from harness.report.collection import Run
from harness.report.columns import MISSING
from harness.report.formats import cell_text, comma_separated
from harness.report.per_class import MOST_MODELS, make_class_table

BEFORE = {"mIoU": 0.6, "IoU.road": 0.9, "IoU.sky": 0.5, "IoU.bus": None, "accuracy.road": 0.95}


def record_with(pipeline, after, before=BEFORE, **arguments):
    record = make_record(pipeline, **arguments)
    steps = [step.model_copy(update={"metrics": after}) for step in record.steps]
    return record.model_copy(
        update={"baseline": record.baseline.model_copy(update={"metrics": before}), "steps": steps}
    )


def run_of(tmp_path, *records):
    return [Run(tmp_path / "demo", list(records))]


def texts(table):
    return [[cell_text(column, row) for column in table.columns] for row in table.rows]


def test_one_row_a_class_and_one_column_a_model(tmp_path):
    after = {**BEFORE, "IoU.road": 0.895, "IoU.sky": 0.25}
    table = make_class_table(run_of(tmp_path, record_with("l1@0.5+finetune", after)), None)
    assert table.figure == "IoU"
    assert [column.title for column in table.columns] == ["class", "baseline", "l1 0.5"]
    assert texts(table) == [
        ["road", "90.0%", "89.5% -0.5"], ["sky", "50.0%", "25.0% -25.0"], ["bus", MISSING, MISSING],
    ]  # fmt: skip


def test_drops_are_coloured_against_the_own_baseline(tmp_path):
    after = {"IoU.road": 0.895, "IoU.sky": 0.25, "IoU.bus": 0.3}
    other = {"IoU.road": 0.86, "IoU.sky": 0.25}
    runs = run_of(
        tmp_path,
        record_with("l1@0.5+finetune", after),
        record_with("l1@0.5+finetune", other, {"IoU.road": 0.9, "IoU.sky": 0.2}, seed=1),
    )
    table = make_class_table(runs, "IoU")
    titles = [column.title for column in table.columns[1:]]
    assert titles == ["0 baseline", "0 l1 0.5", "1 baseline", "1 l1 0.5"]
    styles = [
        [column.style(row[column.name], row) for column in table.columns[1:] if row[column.name] is not None]
        for row in table.rows
    ]
    assert styles == [["", "", "", "yellow"], ["", "red", "", "green"], [""]]


def test_another_figure_and_one_that_does_not_exist(tmp_path):
    runs = run_of(tmp_path, record_with("l1@0.5+finetune", BEFORE))
    assert texts(make_class_table(runs, "accuracy")) == [["road", "95.0%", "95.0% +0.0"]]
    with pytest.raises(UserError, match="--metric: no record has 'acuracy'") as raised:
        make_class_table(runs, "acuracy")
    assert "did you mean 'accuracy'" in raised.value.hint


def test_records_without_classes_are_a_mistake(tmp_path):
    with pytest.raises(UserError, match="no record here has figures of single classes"):
        make_class_table(run_of(tmp_path, make_record("l1@0.5+finetune")), None)


def test_a_cell_without_a_model_stays_visible(tmp_path):
    failed = record_with("fpgm@0.5+finetune", {}, status="failed")
    table = make_class_table(run_of(tmp_path, failed, record_with("l1@0.5+finetune", BEFORE)), None)
    assert [column.title for column in table.columns] == ["class", "baseline", "fpgm 0.5 (failed)", "l1 0.5"]
    assert [row[2] for row in texts(table)] == [MISSING] * 3


def test_many_models_are_rows_and_classes_columns(tmp_path):
    ratios = [round(0.1 * step, 1) for step in range(1, MOST_MODELS + 1)]
    after = {**BEFORE, "IoU.sky": 0.44}
    records = [record_with(f"l1@{ratio}+finetune", after, ratio=ratio) for ratio in ratios]
    table = make_class_table(run_of(tmp_path, *records), None)
    assert [column.title for column in table.columns] == ["method", "at", "road", "sky", "bus"]
    assert texts(table)[:2] == [
        ["baseline", MISSING, "90.0%", "50.0%", MISSING],
        ["l1", "0.1", "90.0%", "44.0%", MISSING],
    ]
    sky = table.columns[3]
    assert [sky.style(row[sky.name], row) for row in table.rows] == ["", *["red"] * MOST_MODELS]
    failed = record_with("l1@0.9+finetune", {}, ratio=0.9, status="failed")
    assert [column.title for column in make_class_table(run_of(tmp_path, *records, failed), None).columns][
        -1
    ] == "status"


def test_columns_of_cells_are_named_by_the_cell_for_programs(tmp_path):
    runs = run_of(tmp_path, record_with("l1@0.5+finetune", BEFORE))
    table = make_class_table(runs, None)
    lines = comma_separated(table.rows, table.columns).splitlines()
    assert lines[0] == "class,baseline,residual_fcn__digits__l1@0.5+finetune__seed0"
    assert lines[1] == "road,0.9,0.9"
    twice = make_class_table([*runs, Run(tmp_path / "other", runs[0].records)], None)
    names = [column.name for column in twice.columns]
    assert len(set(names)) == len(names) == 5
