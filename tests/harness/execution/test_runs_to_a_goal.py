"""Runs that go only so far, and others that go on from there."""

import io
from functools import partial
from pathlib import Path

import noop_worker
import pytest
from cells import complete, make_plan_of
from rich.console import Console

from harness.execution.inspection import inspect_folder
from harness.execution.local import LocalExecutor
from harness.execution.run import RunSettings, carry_out
from harness.plan.plan import make_plan
from harness.registry import discover
from harness.spec.benchmark import Benchmark
from harness.store.layout import Layout
from harness.store.record import read_records

PLAN = make_plan_of(["l1@0.2+finetune", "l1@0.5+finetune"])
EARLIER = "the cell has not been run to its end"


@pytest.fixture
def layout(tmp_path):
    return Layout(tmp_path / "results")


@pytest.fixture
def carry(layout, tmp_path, monkeypatch):
    """Carries a plan out with workers that compute nothing."""
    ledger = tmp_path / "ledger"
    monkeypatch.setenv(noop_worker.LEDGER, str(ledger))
    monkeypatch.setenv("PYTHONPATH", str(Path(noop_worker.__file__).parent))

    def run(goal=None, plan=PLAN, **settings):
        console = Console(file=io.StringIO(), width=200)
        workers = partial(LocalExecutor, module="noop_worker")
        outcome = carry_out(plan, layout, RunSettings(goal=goal, **settings), console, workers)
        lines = ledger.read_text().splitlines() if ledger.exists() else []
        ledger.unlink(missing_ok=True)
        kinds = [line.removeprefix("began ").partition("-")[0] for line in lines if line.startswith("began")]
        return outcome, kinds, console.file.getvalue()

    return run


def test_each_command_goes_on_where_the_last_one_ended(carry, layout):
    outcome, kinds, output = carry("train")
    assert kinds == ["train", "evaluate"]
    assert "[2/2] done" in output
    assert {record.status for record in outcome.records} == {"never_run"}
    outcome, kinds, _ = carry("compress")
    assert kinds == ["prepare", "compress", "compress"]
    record = outcome.records[0]
    assert (record.status, record.failure) == ("interrupted", None)
    assert record.missing["latency"] == record.missing["steps.1.metrics"] == EARLIER
    assert {stage.kind: stage.state for stage in record.stages}["measure"] == "never_run"
    assert record.achieved.channels == 0.5
    assert carry("recover")[1] == ["recover", "recover"]
    assert carry("measure")[1] == ["measure", "measure"]
    assert carry("evaluate")[1] == ["evaluate"] * 4
    outcome, kinds, _ = carry()
    assert kinds == []
    assert {record.status for record in read_records(layout)} == {"complete"}


def test_a_single_step_after_a_run_has_nothing_to_do(carry):
    carry()
    for goal in ("train", "compress", "measure"):
        outcome, kinds, _ = carry(goal)
        assert kinds == outcome.executed == []
        assert {record.status for record in outcome.records} == {"complete"}


def test_what_is_forced_is_of_this_command_and_what_starts_from_it_goes_with_it(carry, layout):
    carry()
    _, kinds, _ = carry("evaluate", force=lambda stage: stage.kind in ("measure", "recover"))
    assert kinds.count("recover") == kinds.count("evaluate") == 2
    assert "measure" not in kinds
    assert not list(layout.stages.glob("measure-*"))
    _, kinds, _ = carry("measure")
    assert kinds == ["measure", "measure"]
    _, kinds, _ = carry("evaluate", force=lambda stage: stage.kind == "measure")
    assert kinds == []
    assert len(list(layout.stages.glob("measure-*"))) == 2


def test_the_outcome_says_where_stages_stand(carry):
    outcome, _, _ = carry("compress")
    found = {stage.kind: outcome.states[stage] for stage in PLAN.stages}
    assert (found["compress"], found["recover"]) == ("complete", "left_out")


def test_baselines_alone_leave_notes_and_records_of_a_grid_as_they_are(carry, layout):
    alone = make_plan(Benchmark(name="other"), discover(), methods_required=False)
    for stage in alone.stages:
        complete(layout, stage)
    carry(plan=alone)
    assert "name: other" in layout.benchmark.read_text()
    assert not layout.summary.exists()
    inspected = inspect_folder(layout)
    assert (inspected.cells, inspected.problems) == ([], [])
    carry("compress")
    before = {path: path.read_bytes() for path in (layout.benchmark, layout.run, layout.summary)}
    outcome, _, _ = carry(plan=alone)
    assert outcome.records == []
    assert {path: path.read_bytes() for path in before} == before
