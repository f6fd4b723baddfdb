"""The oracle beside a real grid: it adds stages of its own and leaves everything else as it is."""

import json

import pytest

from harness.store.layout import Layout
from harness.store.record import read_records
from harness.store.stage import read_stage_file


def figures_of(results):
    return {record.cell: record.model_dump(exclude={"comparison", "missing", "stages", "seconds", "provenance"})
            for record in read_records(Layout(results))}  # fmt: skip


def test_a_finished_grid_is_asked_afterwards(own_grid, tiny_file):
    bench, results = own_grid
    arguments = ("run", tiny_file, "--methods", "fpgm,l1", "--ratios", "0.5", "--out", results)
    before, stages = figures_of(results), {path.name for path in results.glob("stages/*")}
    layers = "backbone.stem.0,decode_head.*"
    table = bench(*arguments, "--oracle-samples", "2", "--oracle-layers", layers)
    new = sorted(path.name.partition("-")[0] for path in results.glob("stages/*") if path.name not in stages)
    assert new == ["compare", "compare", "oracle"], "one oracle for both"
    assert figures_of(results) == before
    assert "output MSE" in table
    records = read_records(Layout(results))
    for record in records:
        found = record.comparison
        assert (found.oracle_of, found.metric, found.split, found.samples) == ("baseline", "mIoU", "val", 2)
        assert found.reconstruction_mse > 0
        assert found.convolutions_after.channels < found.convolutions_before.channels
        assert found.convolutions_after.layers == found.convolutions_before.layers
        first = found.layers[0]
        assert (first.layer, first.channels, first.analyzed) == ("backbone.stem.0", 8, 8)
        assert 0 <= first.l1.accuracy <= 1
        assert (first.l1.k, first.l1.chance) == (1, 0.125)
        assert {layer.layer.partition(".")[0] for layer in found.layers} == {"backbone", "decode_head"}
    l1 = next(record for record in records if record.method == "l1").comparison
    assert l1.layers[0].method == l1.layers[0].l1, "the first layer is in no group with another one"
    bench("report", results, "--format", "vss")
    report = json.loads((results / "vss" / "fpgm_0_50" / "report.json").read_text())
    assert report["oracle_analysis"]["oracle_samples_used"] == report["evaluation_config"]["oracle_samples"] == 2
    bench(*arguments)
    assert all(record.comparison is None for record in read_records(Layout(results))), "nobody asks any more"


def test_a_layer_that_is_not_there_is_told(own_grid, tiny_file):
    bench, results = own_grid
    arguments = ("--methods", "l1", "--ratios", "0.5", "--oracle-samples", "1", "--oracle-layers", "backbone.nowhere")
    told = bench("run", tiny_file, *arguments, "--out", results, expect=1)
    assert "config_error: oracle.layers: 'backbone.nowhere' matches no Conv2d" in told
    assert "blocked" in told


@pytest.mark.parametrize("protocol", ["seed"])
def test_under_the_seed_protocol_the_last_model_is_asked(grid, tiny_file, tmp_path, protocol):
    bench, results = grid[0], tmp_path / "results"
    arguments = ("--pipelines", "finetune", "--protocol", protocol, "--oracle-samples", "1")
    bench("run", tiny_file, *arguments, "--out", results)
    (record,) = read_records(Layout(results))
    (path,) = results.glob("stages/oracle-*/stage.json")
    assert record.comparison.oracle_of == "candidate"
    assert record.comparison.layers[0].method is None
    assert "L1 norms alone" in record.missing["comparison.layers.0.method"]
    assert min(read_stage_file(path).result["layers"][0]["importance"]) >= 0
