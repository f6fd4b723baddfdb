import json
import shutil

import pytest

LOW, HIGH = (f"residual_fcn__digits__l1@{ratio}+finetune__seed0" for ratio in (0.2, 0.5))


def status(bench, *arguments):
    """What `bench status --json` says, one results folder a list item."""
    result = bench("status", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_table_says_where_each_cell_stands_and_how_long_the_rest_takes(bench, run_folder):
    run_folder.complete(run_folder.cells[0])
    result = bench("status", run_folder.layout.root)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].strip() == str(run_folder.layout.root)
    rows = {line.split()[1]: line for line in lines if "__" in line}
    assert "complete" in rows[LOW]
    for text in ("never run", "3 of 8 stages are there already", "about 5 s"):
        assert text in rows[HIGH]
    assert lines[-1] == "2 cells: 1 complete, 1 never run; about 5 s to run"


def test_json_has_the_same(bench, run_folder):
    run_folder.complete(run_folder.cells[0])
    (found,) = status(bench, run_folder.layout.root)
    assert found == {
        "results": str(run_folder.layout.root),
        "estimated_seconds": 5.0,
        "problems": [],
        "cells": [
            {"cell": LOW, "state": "complete", "reason": "", "estimated_seconds": 0.0},
            {
                "cell": HIGH, "state": "never_run", "reason": "3 of 8 stages are there already",
                "estimated_seconds": 5.0,
            },
        ],
    }  # fmt: skip


def test_a_failure_says_which_stage_and_why(bench, run_folder):
    compress = run_folder.cells[0].points[1].made
    run_folder.fail(compress)
    (found,) = status(bench, run_folder.layout.root)
    assert found["cells"][0]["state"] == "failed"
    assert found["cells"][0]["reason"] == "compress l1@0.2: oom: too big"
    assert "1 failed, 1 never run" in bench("status", run_folder.layout.root).stdout


def test_after_a_change_of_the_benchmark_it_says_what_has_changed(bench, run_folder):
    run_folder.ask(methods=["l1"], ratios=[0.2], recovery={"iterations": 50})
    run_folder.complete(*run_folder.cells)
    assert status(bench, run_folder.layout.root)[0]["cells"][0]["state"] == "complete"
    run_folder.ask(methods=["l1"], ratios=[0.2], recovery={"iterations": 100})
    (cell,) = status(bench, run_folder.layout.root)[0]["cells"]
    assert (cell["state"], cell["reason"]) == ("stale", "budget.iterations 50 -> 100")


def test_a_cell_that_is_no_longer_asked_for_is_still_listed(bench, run_folder):
    run_folder.complete(*run_folder.cells)
    run_folder.ask(methods=["l1"], ratios=[0.5])
    (found,) = status(bench, run_folder.layout.root)
    assert [(cell["cell"], cell["state"]) for cell in found["cells"]] == [(HIGH, "complete"), (LOW, "complete")]
    assert found["cells"][1]["estimated_seconds"] is None


def test_it_is_judged_as_the_run_was_with_its_device_and_switched_off_plugins(bench, run_folder):
    run_folder.layout.run.write_text(json.dumps({"device": "cpu", "disabled": ["l1"]}))
    result = bench("status", run_folder.layout.root)
    assert result.exit_code == 0
    assert "warning: what the last run asked for cannot be planned today" in result.stderr
    assert "l1" in result.stderr
    run_folder.layout.run.write_text("[")
    assert len(status(bench, run_folder.layout.root)[0]["cells"]) == 2


def test_a_benchmark_that_cannot_be_planned_leaves_the_records(bench, run_folder):
    run_folder.complete(run_folder.cells[0])
    run_folder.ask(methods=["vanished"], ratios=[0.2, 0.5])
    (found,) = status(bench, run_folder.layout.root)
    assert {cell["cell"]: cell["state"] for cell in found["cells"]} == {LOW: "complete", HIGH: "never_run"}
    assert "vanished" in found["problems"][0]


def test_a_damaged_record_is_told(bench, run_folder):
    run_folder.complete(*run_folder.cells)
    path = run_folder.layout.record(LOW)
    path.write_bytes(path.read_bytes()[:100])
    result = bench("status", run_folder.layout.root)
    assert f"warning: {path}: is not JSON" in result.stderr
    assert "2 cells: 2 complete" in result.stdout


def test_a_parent_of_several_runs_shows_each(bench, run_folder, another_run_folder):
    run_folder.complete(run_folder.cells[0])
    parent = run_folder.layout.root.parent
    assert [found["results"] for found in status(bench, parent)] == [str(parent / "demo"), str(parent / "other")]
    output = bench("status", parent).stdout
    assert "2 cells: 1 complete, 1 never run; about 5 s to run" in output
    assert "2 cells: 2 never run" in output


def test_without_a_name_it_is_the_usual_folder(bench, run_folder, monkeypatch):
    monkeypatch.chdir(run_folder.layout.root.parent.parent)
    assert [found["results"] for found in status(bench)] == ["results/demo"]


@pytest.mark.parametrize("command", [["status"], ["why", LOW]])
@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_nothing_is_written(bench, run_folder, command, flags):
    """Neither to a folder that cannot be written (which the superuser can all the same)."""
    run_folder.complete(*run_folder.cells)
    stage = run_folder.cells[0].measured
    (run_folder.layout.stage(stage.kind, stage.identity) / "stage.json").write_text("{")
    shutil.rmtree(run_folder.layout.root / "locks", ignore_errors=True)
    before = run_folder.content()
    folders = [run_folder.layout.root, *(path for path in before if path.is_dir())]
    for folder in folders:
        folder.chmod(0o500)
    result = bench(*command, run_folder.layout.root, *flags)
    for folder in folders:
        folder.chmod(0o700)
    assert result.exit_code == 0, result.output
    assert "stale" in result.output
    assert run_folder.content() == before
