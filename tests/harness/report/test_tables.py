import pytest
from cells import COMPARISON
from records import make_record

from harness.report.choice import default_columns
from harness.report.collection import Run, collect_runs
from harness.report.columns import COLUMNS, MISSING, choose_columns
from harness.report.formats import cell_text, heading, markdown
from harness.report.rows import make_rows
from harness.report.terminal import split_columns
from harness.store.comparison import Comparison
from harness.store.layout import Layout
from harness.store.record import MetricInfo, TargetResult, write_record


def rows_of(tmp_path, *records):
    return make_rows([Run(tmp_path, list(records))])


def test_baseline_first_then_candidates_by_method_and_ratio_then_controls(tmp_path):
    rows = rows_of(
        tmp_path,
        make_record("random@0.5+finetune", role="control"),
        make_record("l1@0.5+finetune"),
        make_record("l1@0.2+finetune", ratio=0.2),
        make_record("fpgm@0.5+finetune"),
    )
    assert [(row["method"], row.get("ratio")) for row in rows] == [
        ("baseline", None), ("fpgm", 0.5), ("l1", 0.2), ("l1", 0.5), ("random", 0.5),
    ]  # fmt: skip


def test_each_seed_has_its_own_baseline(tmp_path):
    rows = rows_of(tmp_path, make_record("l1@0.5+finetune"), make_record("l1@0.5+finetune", seed=1))
    assert [(row["method"], row["seed"]) for row in rows] == [("baseline", 0), ("l1", 0), ("baseline", 1), ("l1", 1)]
    assert "seed" in default_columns(rows)


def test_pipelines_are_named_whole_when_method_and_setting_do_not_tell_them_apart(tmp_path):
    rows = rows_of(tmp_path, make_record("l1@0.5+finetune"), make_record("l1@0.5+none", after=None))
    assert default_columns(rows)[0] == "pipeline"
    assert default_columns(rows_of(tmp_path, make_record("l1@0.5+finetune")))[:2] == ["method", "setting"]


def test_missing_values_stay_visible(tmp_path):
    rows = rows_of(tmp_path, make_record("l1@0.5+finetune", status="failed"))
    assert cell_text(COLUMNS["latency_ratio"], rows[-1]) == MISSING
    assert cell_text(COLUMNS["status"], rows[-1]) == "failed: oom"


def test_a_missed_target_is_marked(tmp_path):
    target = TargetResult(of="macs", asked=0.7, reached=0.53, missed=True, reason="layers are at their floor")
    records = [make_record("l1@0.5").model_copy(update={"target": target}), make_record("fpgm@0.5")]
    _, met, missed = make_rows([Run(tmp_path, records)])
    status, column = COLUMNS["status"], COLUMNS["target_missed"]
    assert [cell_text(status, row) for row in (met, missed)] == ["complete", "complete, target missed"]
    assert [cell_text(column, row) for row in (met, missed)] == [MISSING, "yes"]


def test_what_the_oracle_says_is_shown_where_it_was_asked(tmp_path):
    unranked = {**COMPARISON["layers"][0], "layer": "second", "method": None, "method_missing": "it ranks nothing"}
    compared = Comparison.model_validate({**COMPARISON, "layers": [*COMPARISON["layers"], unranked]})
    record = make_record("l1@0.5")
    shown = ["oracle_accuracy", "oracle_chance", "reconstruction_mse"]
    assert not set(shown) & set(default_columns(rows_of(tmp_path, record)))
    rows = rows_of(tmp_path, record.model_copy(update={"comparison": compared}), make_record("fpgm@0.5"))
    names = default_columns(rows)
    assert [name for name in names if name in shown] == shown
    assert names.index("latency_ratio") < names.index("oracle_accuracy") < names.index("prepare_seconds")
    texts = [[cell_text(COLUMNS[name], row) for name in shown] for row in rows]
    assert texts == [[MISSING] * 3, [MISSING] * 3, ["50.0%", "18.8%", "0.25"]]
    original = record.model_copy(update={"comparison": compared, "protocol": "seed"})
    assert cell_text(COLUMNS["oracle_accuracy"], rows_of(tmp_path, original)[-1]) == "25.0%"


def final(pipeline, score, **changes):
    record = make_record(pipeline)
    last = record.steps[-1].model_copy(update={"metrics": {"mIoU": score}})
    return record.model_copy(update={"steps": [last], **changes})


def test_a_method_below_random_is_marked(tmp_path):
    random = final("random@0.5+finetune", 0.5, role="control")
    lower, equal, other = final("fpgm@0.5+finetune", 0.4), final("l1@0.5+finetune", 0.5), final("l2@0.5+none", 0.1)
    rows = make_rows([Run(tmp_path, [lower, equal, other, random])])[1:]
    found = {row["pipeline"]: row["below_random"] for row in rows}
    assert found == {
        "fpgm@0.5+finetune": True, "l1@0.5+finetune": False, "l2@0.5+none": None, "random@0.5+finetune": None,
    }  # fmt: skip
    assert cell_text(COLUMNS["status"], rows[0]) == "complete, below random"
    error = {"mIoU": MetricInfo(unit="fraction", higher_is_better=False)}
    turned = [record.model_copy(update={"metric_info": error}) for record in (lower, random)]
    assert make_rows([Run(tmp_path, turned)])[1]["below_random"] is False


def test_what_is_trained_from_scratch_is_compared_with_uniform_width(tmp_path):
    """Which is what random channels are there; where both are, with the random ones."""
    uniform = final("uniform@0.5+scratch", 0.5, role="control")
    searched, tuned = final("dmcp@0.5+scratch", 0.4), final("fpgm@0.5+finetune", 0.4)
    rows = make_rows([Run(tmp_path, [searched, tuned, uniform])])[1:]
    found = {row["pipeline"]: row["below_random"] for row in rows}
    assert found == {"dmcp@0.5+scratch": True, "fpgm@0.5+finetune": None, "uniform@0.5+scratch": None}
    random = final("random@0.5+scratch", 0.3, role="control")
    assert make_rows([Run(tmp_path, [searched, uniform, random])])[1]["below_random"] is False


def test_nothing_is_said_where_random_is_not_complete(tmp_path):
    random = final("random@0.5+finetune", 0.5, status="failed")
    assert make_rows([Run(tmp_path, [final("fpgm@0.5+finetune", 0.4), random])])[1]["below_random"] is None


def test_the_metric_is_named_in_the_heading(tmp_path):
    rows = rows_of(tmp_path, make_record("l1@0.5+finetune"))
    assert heading(COLUMNS["metric_after_recovery"], rows) == "mIoU after"


def test_the_metric_is_a_column_where_it_is_not_everywhere_the_same(tmp_path):
    first = make_record("l1@0.5+finetune")
    assert "metric" not in default_columns(rows_of(tmp_path, first, make_record("fpgm@0.5+finetune")))
    other = make_record("l1@0.2+finetune", ratio=0.2).model_copy(update={"primary_metric": "mIoU_dataset_eps"})
    rows = rows_of(tmp_path, first, other.model_copy(update={"protocol": "seed"}))
    names = default_columns(rows)
    assert names[names.index("metric") + 1] == "metric_before_recovery"
    assert heading(COLUMNS["metric_after_recovery"], rows) == "metric after"
    assert [cell_text(COLUMNS["metric"], row) for row in rows] == ["mIoU"] * 2 + ["mIoU_dataset_eps"] * 2


def test_chance_is_that_of_the_layers_that_are_ranked():
    ranking = COMPARISON["layers"][0]["method"]
    second = {**COMPARISON["layers"][0], "layer": "second", "method": {**ranking, "chance": 0.25}, "l1": None}
    compared = Comparison.model_validate({**COMPARISON, "layers": [*COMPARISON["layers"], second]})
    assert (compared.chance("corrected"), compared.chance("seed")) == (0.21875, 0.1875)
    nothing = compared.model_copy(update={"layers": []})
    assert (nothing.chance("corrected"), nothing.accuracy("corrected")) == (None, None)


def test_markdown_escapes_what_would_break_the_table(tmp_path):
    rows = rows_of(tmp_path, make_record("l1@0.5+finetune", model="a|b"))
    table = markdown(rows, choose_columns(["model", "status"]))
    assert all(line.replace("\\|", "").count("|") == 3 for line in table.splitlines())


@pytest.mark.parametrize("width", [40, 60, 90, 200])
def test_a_narrow_terminal_gets_parts_that_fit_and_lose_nothing(tmp_path, width):
    rows = rows_of(tmp_path, make_record("fpgm@0.5+finetune"), make_record("l1@0.5+finetune"))
    columns = choose_columns(default_columns(rows))
    parts = list(split_columns(rows, columns, width))
    naming = {"method", "setting"}
    assert all(naming <= {column.name for column in part} for part in parts)
    shown = [column.name for part in parts for column in part if column.name not in naming]
    assert shown == [column.name for column in columns if column.name not in naming]
    assert (len(parts) == 1) == (width == 200)


def test_runs_are_found_in_a_parent_and_foreign_folders_are_passed_over(tmp_path):
    for name in ("one", "two"):
        write_record(Layout(tmp_path / name), make_record("l1@0.5+finetune"))
    (tmp_path / "notes").mkdir()
    assert [run.folder.name for run in collect_runs(tmp_path)] == ["one", "two"]
    assert [run.folder.name for run in collect_runs(tmp_path / "two")] == ["two"]
