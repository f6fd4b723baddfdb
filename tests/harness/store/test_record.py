import json
import shutil
from pathlib import Path

import pytest
from records import make_record

from harness.errors import UserError
from harness.plan.identity import StageFields, identity_of
from harness.store.comparison import NO_ORACLE
from harness.store.earlier_records import CONVOLUTIONS_NOT_COUNTED, LABELS_NOT_NOTED
from harness.store.layout import Layout
from harness.store.record import RECORD_SCHEMA, find_records, read_record, read_records, upgrade, write_record
from harness.store.sealed import write_sealed
from harness.store.stage import STAGE_SCHEMA, find_stage, read_stage_file
from harness.store.summary import SUMMARY_SCHEMA, SummaryFile, SummaryRow, flatten, summarize, write_summary


def test_records_survive_the_disk(tmp_path):
    layout = Layout(tmp_path)
    record = make_record("fpgm@0.5+finetune")
    write_record(layout, record)
    assert read_records(layout) == [record]


def test_missing_values_are_null_in_the_file(tmp_path):
    layout = Layout(tmp_path)
    record = make_record("fpgm@0.5+none", after=None)
    write_record(layout, record)
    content = json.loads(layout.record(record.cell).read_text())
    assert content["after_recovery"] is None


def test_newer_schema_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "record.json"
    content = json.loads(make_record("l1@0.5+finetune").model_dump_json())
    path.write_text(json.dumps({**content, "schema_version": 99}))
    problem = r"record\.json: is of schema version 99; this version of bench reads up to 2"
    with pytest.raises(UserError, match=problem) as raised:
        read_record(path)
    assert "newer compression-bench" in raised.value.hint


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema_version": 1}', "\x00\x01"])
def test_garbage_is_refused_by_file_name(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"record\.json"):
        read_record(path)


def test_summary_counts_and_flattens():
    records = [make_record("fpgm@0.5+finetune"), make_record("l1@0.5+finetune", status="failed")]
    summary = summarize("demo", records)
    assert summary.summary_stats.model_dump() == {
        "total_experiments": 2,
        "completed": 1,
        "failed": 1,
        "success_rate": 0.5,
    }
    first, second = summary.results
    assert (first.method, first.ratio, first.status) == ("fpgm", 0.5, "complete")
    assert first.metric_after_recovery == 0.58
    assert first.latency_ratio == 0.7
    assert second.failure == "oom"


def test_summary_of_nothing_has_no_rate():
    assert summarize("demo", []).summary_stats.success_rate is None


def test_a_summary_on_disk_is_what_its_model_says(tmp_path):
    """Rows are put together without validation, for speed; here they are validated."""
    layout = Layout(tmp_path)
    records = [make_record("fpgm@0.5+finetune"), make_record("l1@0.5+finetune", status="failed")]
    records += [make_record("l1@0.5+none", after=None).model_copy(update={"setting": {"bits": 4.0}, "ratio": None})]
    write_summary(layout, "démo", records)
    content = json.loads(layout.summary.read_text(encoding="utf-8"))
    assert SummaryFile.model_validate(content).model_dump(mode="json") == content
    assert list(content) == ["schema_version", "benchmark", "summary_stats", "results"]
    assert (content["schema_version"], content["benchmark"]) == (SUMMARY_SCHEMA, "démo")
    assert content["results"] == [flatten(record) for record in records]
    assert [list(row) for row in content["results"]] == [list(SummaryRow.model_fields)] * 3


FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.parametrize("version", range(1, RECORD_SCHEMA + 1))
def test_records_of_every_released_schema_can_be_read(version):
    record = read_record(FIXTURES / "records" / f"v{version}.json")
    assert record.status == "complete"
    assert record.latency is not None
    assert record.schema_version == RECORD_SCHEMA


@pytest.mark.parametrize("version", range(1, STAGE_SCHEMA + 1))
def test_stages_of_every_released_schema_can_be_read(version, tmp_path):
    source, layout = FIXTURES / "stages" / f"v{version}.json", Layout(tmp_path)
    stage = read_stage_file(source)
    assert (stage.schema_version, stage.kind, stage.result["iterations"]) == (version, "recover", 10)
    assert bool(stage.subject) == bool(stage.files) == (version > 1)
    assert identity_of(StageFields.model_validate(stage.fields)) == stage.identity, "it is found by its identity"
    folder = layout.stage(stage.kind, stage.identity)
    folder.mkdir(parents=True)
    shutil.copy(source, folder / "stage.json")
    for name, file in stage.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(bytes(file.bytes))
    assert find_stage(layout, stage.kind, stage.identity) == (stage, "")


@pytest.mark.parametrize(("folder", "newest"), [("records", RECORD_SCHEMA), ("stages", STAGE_SCHEMA)])
def test_every_released_schema_has_a_fixture(folder, newest):
    names = {path.name for path in (FIXTURES / folder).iterdir()}
    assert names == {f"v{version}.json" for version in range(1, newest + 1)}


def test_an_upgraded_record_says_what_the_old_one_said():
    raw = json.loads((FIXTURES / "records" / "v1.json").read_text(encoding="utf-8"))
    before = json.dumps(raw)
    sizes = [f"{path}.size.convolutions" for path in ("baseline", "steps.0", "steps.1")]
    reasons = {"comparison": NO_ORACLE, "labels": LABELS_NOT_NOTED, **dict.fromkeys(sizes, CONVOLUTIONS_NOT_COUNTED)}
    unknown = {"comparison": None, "labels": None, "missing": {**raw["missing"], **reasons}}
    assert upgrade(raw) == {**raw, **unknown, "schema_version": RECORD_SCHEMA}
    assert json.dumps(raw) == before
    read = read_record(FIXTURES / "records" / "v1.json").model_dump(mode="json")
    for model in (raw["baseline"], *raw["steps"]):
        model["size"]["convolutions"] = None
    assert read == {**raw, **unknown, "schema_version": RECORD_SCHEMA, "target": None}


def test_a_record_from_before_the_oracle_says_what_one_of_today_says_that_nobody_asked(tmp_path):
    layout = Layout(tmp_path)
    record = make_record("fpgm@0.5+finetune")
    today = record.model_copy(update={"missing": {"comparison": NO_ORACLE, "delta": "it is invented"}})
    content = today.model_dump(mode="json")
    del content["comparison"], content["missing"]["comparison"]
    path = layout.record(record.cell)
    path.parent.mkdir(parents=True)
    write_sealed(path, content)
    assert read_record(path) == today


def test_a_record_without_figures_says_of_its_labels_what_it_says_of_its_metrics():
    content = {"baseline": {"step": "baseline", "size": None}, "steps": [], "missing": {"baseline.metrics": "not run"}}
    missing = upgrade(content)["missing"]
    assert missing == {"baseline.metrics": "not run", "comparison": NO_ORACLE, "labels": "not run"}


@pytest.mark.parametrize("damage", [{"missing": None}, {"steps": 3}, {"steps": [None, {"size": 7}]}, {"baseline": []}])
def test_what_is_no_record_is_refused_and_not_brought_up_to_date(tmp_path, damage):
    path = tmp_path / "record.json"
    content = {key: value for key, value in make_record("a@0.5+finetune").model_dump(mode="json").items()}
    write_sealed(path, {**content, **damage})
    with pytest.raises(UserError, match=f"not a record: {next(iter(damage))}"):
        read_record(path)


def test_a_damaged_record_hides_no_other(tmp_path):
    layout = Layout(tmp_path)
    records = [make_record(f"{name}@0.5+finetune") for name in ("a", "b", "c")]
    for record in records:
        write_record(layout, record)
    damaged = layout.record(records[1].cell)
    damaged.write_text(damaged.read_text().replace("0.58", "0.88"))
    found = find_records(layout)
    assert found.records == [records[0], records[2]]
    assert found.problems == [f"{damaged}: was changed after it was written: its checksum does not fit"]
    assert read_records(layout) == found.records


def test_a_sealed_record_with_a_wrong_field_is_named_by_field_and_how_to_mend_it(tmp_path):
    layout, record = Layout(tmp_path), make_record("a@0.5+finetune")
    path = layout.record(record.cell)
    write_sealed(path, {**record.model_dump(mode="json"), "seed": "none"})
    with pytest.raises(UserError, match="not a record: seed: ") as raised:
        read_record(path)
    assert "`bench run`" in raised.value.hint
    with pytest.raises(UserError, match="there is no record"):
        read_record(tmp_path / "nothing.json")


@pytest.mark.parametrize("replace", [True, False])
def test_a_record_that_is_there_may_be_left_alone(tmp_path, replace):
    layout = Layout(tmp_path)
    first, second = make_record("a@0.5+finetune"), make_record("a@0.5+finetune", after=0.1)
    write_record(layout, first, replace=False)
    write_record(layout, second, replace=replace)
    assert read_records(layout) == [second if replace else first]
    assert [path.name for path in layout.record(first.cell).parent.iterdir()] == ["record.json"]
