"""A given baseline, from the command line to the report."""

import datetime
import json

import pytest
import torch
from conftest import Bench
from malicious import Touch

import harness
from harness.store.layout import Layout
from harness.store.record import read_records

METHOD = ("--pipelines", "l1@0.5+none")


@pytest.fixture(scope="module")
def weights(grid):
    """Weights of the grid's baseline."""
    _, results, _ = grid
    (folder,) = results.glob("stages/train-*")
    return harness.load(folder).state_dict()


def train_stage(results):
    (path,) = results.glob("stages/train-*/stage.json")
    return json.loads(path.read_text())


def test_it_is_loaded_instead_of_trained_and_evaluated_alike(grid, weights, tiny_file, tmp_path):
    torch.save(weights, tmp_path / "w.pth")
    bench = Bench(tmp_path)
    output = bench("run", tiny_file, *METHOD, "--checkpoint", "w.pth", "--out", "results")
    assert "load residual_fcn" in output
    results = tmp_path / "results"
    (record,) = read_records(Layout(results))
    trained = read_records(Layout(grid[1]))[0]
    assert record.status == "complete"
    assert record.baseline.metrics == trained.baseline.metrics
    assert record.baseline.size == trained.baseline.size
    assert record.provenance["checkpoint"]["name"] == "w.pth"
    assert "checkpoint" not in trained.provenance
    assert [stage.iterations for stage in record.stages if stage.kind == "train"] == [None]
    assert train_stage(results)["result"]["iterations"] is None
    assert all(
        torch.equal(value, weights[name])
        for name, value in harness.load(next(results.glob("stages/train-*"))).state_dict().items()
    )
    again = bench("run", results / "benchmark.yaml", "--out", "results")
    assert "Nothing to do" in again


def test_a_malicious_one_fails_and_runs_nothing(weights, tiny_file, tmp_path):
    marker = tmp_path / "marker"
    torch.save({"state_dict": weights, "optimizer": Touch(marker)}, tmp_path / "evil.pth")
    output = Bench(tmp_path)("run", tiny_file, *METHOD, "--checkpoint", "evil.pth", "--out", "results", expect=1)
    assert not marker.exists()
    assert "asks for posix.system" in output
    assert f"--trust-checkpoint {tmp_path / 'evil.pth'}" in output
    (record,) = read_records(Layout(tmp_path / "results"))
    assert (record.failure.kind, record.failed_stage) == ("config_error", "load residual_fcn")
    assert record.status == "blocked"


def test_an_unusual_one_loads_when_it_is_trusted(weights, tiny_file, tmp_path):
    torch.save({"state_dict": weights, "made": datetime.date(2026, 1, 1)}, tmp_path / "odd.pth")
    flags = ("--checkpoint", "odd.pth", "--trust-checkpoint", "odd.pth", "--out", "results")
    Bench(tmp_path)("run", tiny_file, *METHOD, *flags)
    assert train_stage(tmp_path / "results")["result"]["checkpoint"]["name"] == "odd.pth"
