"""Half of the channels in two passes: a third party's method whose options take `steps`, run on real stages."""

import json

import pytest
import torch
from conftest import Bench
from installation import install

import harness
from harness.store.layout import Layout
from harness.store.record import find_records

DESCRIPTORS = """
from bench_pruning.descriptors import PruningOptions, pruning_method
from harness.registry import IterativeOptions
class Peeling(PruningOptions, IterativeOptions):
    pass
PEEL = pruning_method(name="peel", summary="", implementation="bench_pruning.criteria.l1:L1", options=Peeling)
"""
PASSES = "peel@0.5(steps=2)"


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_file):
    """The results of one pass, of two passes, and of two without recovery."""
    site = tmp_path_factory.mktemp("site-packages")
    install(site, "peeling", {"bench.methods": {"peel": "peeling:PEEL"}}, peeling=DESCRIPTORS)
    bench = Bench(tmp_path_factory.mktemp("passes"), str(site))
    command = ("run", tiny_file, "--pipelines", f"peel@0.5,{PASSES},{PASSES}+none", "--out", "results")
    bench(*command)
    return bench, bench.folder / "results", command


@pytest.fixture(scope="module")
def records(run):
    found = find_records(Layout(run[1]))
    assert found.problems == []
    return {record.pipeline: record for record in found.records}


def identities(record, kind):
    return [stage.identity for stage in record.stages if stage.kind == kind]


def test_all_cells_are_complete_with_a_step_a_pass(records):
    assert {pipeline: record.status for pipeline, record in records.items()} == dict.fromkeys(
        ("peel@0.5+finetune", f"{PASSES}+finetune", f"{PASSES}+none"), "complete"
    )
    record = records[f"{PASSES}+finetune"]
    assert [step.step for step in record.steps] == [
        f"{PASSES} pass 1 of 2",
        "finetune pass 1 of 2",
        f"{PASSES} pass 2 of 2",
        "finetune pass 2 of 2",
    ]
    assert all(step.metrics["mIoU"] is not None for step in record.steps)
    # So short a training predicts nothing but the background; a digit that the few scenes do not hold has no figures.
    assert set(record.missing.values()) <= {"not defined by the evaluator", "the benchmark has no oracle section"}
    assert all(".metrics." in path for path in record.missing if path != "comparison")


def test_the_passes_reach_the_ratio_together(records):
    once, twice = records["peel@0.5+finetune"], records[f"{PASSES}+finetune"]
    sizes = [twice.baseline.size.params, twice.steps[0].size.params, twice.steps[2].size.params]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == 3
    assert twice.ratio == 0.5
    assert twice.achieved.channels == pytest.approx(0.5, abs=0.02)
    assert twice.achieved.params == pytest.approx(once.achieved.params, abs=0.05)


def test_both_spend_the_same_recovery_and_share_the_first_preparation(records):
    once, twice, bare = (
        records[pipeline] for pipeline in ("peel@0.5+finetune", f"{PASSES}+finetune", f"{PASSES}+none")
    )
    spent = {
        record.pipeline: [stage.iterations for stage in record.stages if stage.kind == "recover"]
        for record in (once, twice, bare)
    }
    assert list(spent.values()) == [[2], [1, 1], []]
    first, second = identities(twice, "prepare")
    assert identities(once, "prepare") == [first]
    assert identities(bare, "prepare")[0] == first
    assert identities(bare, "prepare")[1] != second, "it follows another model"
    assert identities(bare, "compress")[0] == identities(twice, "compress")[0]


@pytest.mark.parametrize("recovery", ["finetune", "none"])
def test_the_artifact_of_two_cuts_loads_bit_identical(run, records, recovery):
    record = records[f"{PASSES}+{recovery}"]
    folder = run[1] / record.steps[-1].artifact
    transforms = json.loads((folder / "model.json").read_text())["transforms"]
    assert [transform["kind"] for transform in transforms] == ["prune", "prune"]
    first, second = harness.load(folder), harness.load(Layout(run[1]).record(record.cell))
    assert sum(parameter.numel() for parameter in first.parameters()) == record.steps[-1].size.params
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(first(images, mode="tensor"), second(images, mode="tensor"))
    checks = {check.name: check.verdict for check in record.checks if check.step == f"{PASSES} pass 2 of 2"}
    assert checks["reload_equals_memory"] == checks["masked_equals_physical"] == "pass"


def test_a_second_run_has_nothing_to_do_and_another_number_of_passes_begins_anew(run):
    bench, _, command = run
    planned = json.loads(bench("plan", *command[1:], "--json"))
    assert (planned["stages_to_run"], {cell["state"] for cell in planned["cells"]}) == (0, {"complete"})
    arguments = ("--pipelines", "peel@0.5(steps=3)", "--set", "recovery.iterations=3", "--out", "results", "--json")
    (cell,) = json.loads(bench("plan", command[1], *arguments))["cells"]
    assert [stage["label"] for stage in cell["stages"] if stage["kind"] in ("prepare", "compress")] == [
        "compress peel@0.5(steps=3) pass 1 of 3",
        "prepare peel@0.5(steps=3) pass 2 of 3",
        "compress peel@0.5(steps=3) pass 2 of 3",
        "prepare peel@0.5(steps=3) pass 3 of 3",
        "compress peel@0.5(steps=3) pass 3 of 3",
    ], "the first preparation is there"


def test_where_the_passes_stand_is_shown(run):
    bench, _, _ = run
    shown = bench("why", f"{PASSES}+finetune", "results")
    assert "prepare peel: complete" in shown
    for number in (1, 2):
        assert f"recover finetune after {PASSES} pass {number} of 2: complete" in shown
    assert "setting: 0.292893218813" in shown
    assert "complete" in bench("status", "results")
