"""A real grid from end to end: trained, pruned, recovered, evaluated, measured, reported, resumed."""

import json

import pytest
import torch

import harness
from harness.errors import UserError
from harness.plan.identity import StageFields, identity_of
from harness.store.layout import Layout
from harness.store.record import read_records
from harness.store.stage import read_stage_file


def stage_files(results):
    return [read_stage_file(path) for path in results.glob("stages/*/stage.json")]


def test_records_are_complete_and_hold_what_was_achieved(grid):
    _, results, output = grid
    records = read_records(Layout(results))
    assert [record.status for record in records] == ["complete", "complete"]
    for record in records:
        assert record.pipeline in ("fpgm@0.5+finetune", "l1@0.5+finetune")
        assert record.achieved.channels == pytest.approx(0.5, abs=0.01)
        assert 0.6 < record.achieved.macs < 0.85
        assert 0.6 < record.achieved.params < 0.85
        assert record.baseline.size.macs > record.steps[-1].size.macs
        assert record.baseline.size.input_shape == (1, 3, 32, 32)
        before, after = record.baseline.size.convolutions, record.steps[-1].size.convolutions
        assert before.layers == after.layers > 1
        assert before.channels > after.channels > before.channels / 2, "the classifier's cannot go"
        assert record.steps[0].size.convolutions == after
        assert (record.labels.classes, record.labels.ignore_index) == (11, 255)
        assert [step.kind for step in record.steps] == ["compress", "recover"]
        assert record.latency.rounds == 5
        assert record.latency.ratio_low <= record.latency.ratio <= record.latency.ratio_high
        assert {check.verdict for check in record.checks} <= {"pass", "not_applicable"}
        assert {"masked_equals_physical", "reload_equals_memory", "gradients_flow"} <= {c.name for c in record.checks}
        assert record.provenance["plugins"]["compress.method"]["distribution"] == "bench-pruning"
    assert "fpgm" in output
    assert "complete" in output


def test_cells_share_training_evaluation_of_the_baseline_and_nothing_is_left_over(grid):
    _, results, _ = grid
    kinds = [file.kind for file in stage_files(results)]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        "train": 1, "prepare": 2, "compress": 2, "recover": 2, "evaluate": 5, "measure": 2,
    }  # fmt: skip
    assert list((results / "work").iterdir()) == []
    assert not (results / "failures").exists()


def test_identity_can_be_recomputed_from_what_is_stored(grid):
    _, results, _ = grid
    for file in stage_files(results):
        assert identity_of(StageFields.model_validate(file.fields)) == file.identity


def test_summary_counts_the_cells(grid):
    _, results, _ = grid
    summary = json.loads((results / "summary.json").read_text())
    assert summary["benchmark"] == "tiny"
    assert summary["summary_stats"] == {"total_experiments": 2, "completed": 2, "failed": 0, "success_rate": 1.0}
    assert {row["method"] for row in summary["results"]} == {"fpgm", "l1"}


def test_a_second_run_does_nothing_and_a_new_ratio_runs_only_what_is_new(own_grid, tiny_file):
    bench, results = own_grid
    before = {path.name for path in (results / "stages").iterdir()}
    output = bench("run", tiny_file, "--methods", "fpgm,l1", "--ratios", "0.5", "--out", results)
    assert "Nothing to do" in output
    assert {path.name for path in (results / "stages").iterdir()} == before
    plan = json.loads(bench("plan", tiny_file, "--methods", "fpgm", "--ratios", "0.5,0.2", "--out", results, "--json"))
    assert plan["stages_to_run"] == 5
    bench("run", tiny_file, "--methods", "fpgm", "--ratios", "0.5,0.2", "--out", results)
    new = sorted(path.name.partition("-")[0] for path in (results / "stages").iterdir() if path.name not in before)
    assert new == ["compress", "evaluate", "evaluate", "measure", "recover"]
    assert len(read_records(Layout(results))) == 3


def test_a_results_folder_may_be_moved(own_grid, tmp_path, tiny_file):
    bench, results = own_grid
    moved = tmp_path / "a place with spaces, 'quotes' and ü"
    results.rename(moved)
    output = bench("run", tiny_file, "--methods", "fpgm,l1", "--ratios", "0.5", "--out", moved)
    assert "Nothing to do" in output


def test_artifacts_rebuild_live_models_bit_for_bit(grid):
    _, results, _ = grid
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for record in read_records(Layout(results)):
        cell = Layout(results).record(record.cell).parent
        random_state = torch.get_rng_state()
        model = harness.load(cell)
        assert torch.equal(torch.get_rng_state(), random_state)
        assert not model.training
        assert sum(parameter.numel() for parameter in model.parameters()) == record.steps[-1].size.params
        torch.manual_seed(123)
        again = harness.load(results / record.steps[-1].artifact)
        with torch.no_grad():
            assert torch.equal(model(images)[0], again(images)[0])


def test_load_says_what_a_path_is_not(tmp_path, grid):
    with pytest.raises(UserError, match="there is nothing"):
        harness.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="not an artifact"):
        harness.load(tmp_path)


def test_none_skips_recovery_and_the_record_says_so(own_grid, tiny_file):
    bench, results = own_grid
    bench("run", tiny_file, "--pipelines", "fpgm@0.5+none", "--out", results)
    record = next(record for record in read_records(Layout(results)) if record.pipeline == "fpgm@0.5+none")
    assert [step.kind for step in record.steps] == ["compress"]
    assert record.after_recovery is None
    assert record.missing["after_recovery"] == "the pipeline has no recovery"
    assert record.before_recovery is not None
    assert record.retention is not None


def test_two_workers_give_the_same_metrics_as_one_when_deterministic(tmp_path_factory, tiny_file, grid):
    bench, _, _ = grid
    results = {}
    for workers in (1, 2):
        out = tmp_path_factory.mktemp(f"workers{workers}") / "results"
        bench(
            "run", tiny_file, "--methods", "fpgm,random", "--ratios", "0.5", "--set", "deterministic=true",
            "--workers", workers, "--out", out,
        )  # fmt: skip
        results[workers] = {
            record.pipeline: [step.metrics for step in record.steps] for record in read_records(Layout(out))
        }
    assert results[1] == results[2]
