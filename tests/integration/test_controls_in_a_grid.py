"""The uncompressed model with the same fine-tuning: a pipeline of a recovery alone, from end to end."""

import json

from conftest import Bench

from harness.store.layout import Layout
from harness.store.record import read_records


def test_a_recovery_alone_is_run_recorded_and_reported(tmp_path, tiny_file):
    bench = Bench(tmp_path)
    output = bench("run", tiny_file, "--controls", "finetune", "--out", "results")
    assert "1 cell: 1 control." in output
    (record,) = read_records(Layout(tmp_path / "results"))
    assert (record.pipeline, record.role, record.status) == ("finetune", "control", "complete")
    assert [step.kind for step in record.steps] == ["recover"]
    assert [stage.iterations for stage in record.stages if stage.kind == "recover"] == [2]
    assert record.steps[-1].size == record.baseline.size
    assert (record.achieved.macs, record.achieved.params, record.achieved.channels) == (0, 0, None)
    assert record.missing["achieved.channels"] == "the pipeline removes no channels"
    assert record.missing["before_recovery"] == "the pipeline has no compressor"
    assert record.after_recovery == record.steps[-1].metrics[record.primary_metric]
    assert record.latency is not None
    shown = json.loads(bench("report", "results", "--format", "json"))
    assert "finetune" in json.dumps(shown)
    assert "recover finetune after baseline: complete" in bench("why", "finetune", "results")
