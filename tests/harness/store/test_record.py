import json
from pathlib import Path

import pytest
from records import make_record

from harness.errors import UserError
from harness.store.layout import Layout
from harness.store.record import RECORD_SCHEMA, read_record, read_records, write_record
from harness.store.summary import summarize


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
    with pytest.raises(UserError, match="schema version 99 is newer") as raised:
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
    assert summary["summary_stats"] == {
        "total_experiments": 2,
        "completed": 1,
        "failed": 1,
        "success_rate": 0.5,
    }
    first, second = summary["results"]
    assert (first["method"], first["ratio"], first["status"]) == ("fpgm", 0.5, "complete")
    assert first["metric_after_recovery"] == 0.58
    assert first["latency_ratio"] == 0.7
    assert second["failure"] == "oom"


def test_summary_of_nothing_has_no_rate():
    assert summarize("demo", [])["summary_stats"]["success_rate"] is None


def test_records_of_every_released_schema_can_be_read():
    fixtures = sorted((Path(__file__).parents[2] / "fixtures" / "records").glob("v*.json"))
    assert [path.stem for path in fixtures] == [f"v{version}" for version in range(1, RECORD_SCHEMA + 1)]
    for path in fixtures:
        record = read_record(path)
        assert record.status == "complete"
        assert record.latency is not None
