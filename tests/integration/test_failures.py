"""What goes wrong in one cell stays in that cell, typed and visible."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import Bench

from harness.store.layout import Layout
from harness.store.record import read_records

PLUGIN = """
import os, torch
from bench_pruning.method import PruningMethod

class Exits(PruningMethod):
    def score(self, group, statistics):
        os._exit(7)

class Raises(PruningMethod):
    def score(self, group, statistics):
        raise ZeroDivisionError("by design")

class Hangs(PruningMethod):
    def score(self, group, statistics):
        import time
        time.sleep(1000)

class NotFinite(PruningMethod):
    def score(self, group, statistics):
        return torch.full((group.size,), float("nan"))
"""
DESCRIPTORS = """
from bench_pruning.descriptors import pruning_method
EXITS = pruning_method(name="exits", summary="x", implementation="faulty.methods:Exits")
RAISES = pruning_method(name="raises", summary="x", implementation="faulty.methods:Raises")
HANGS = pruning_method(name="hangs", summary="x", implementation="faulty.methods:Hangs")
NOT_FINITE = pruning_method(name="not_finite", summary="x", implementation="faulty.methods:NotFinite")
"""


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """A distribution whose methods fail, as pip would have put it on the path."""
    site = tmp_path_factory.mktemp("site")
    (site / "faulty").mkdir()
    (site / "faulty" / "__init__.py").write_text("")
    (site / "faulty" / "methods.py").write_text(PLUGIN)
    (site / "faulty" / "descriptors.py").write_text(DESCRIPTORS)
    info = site / "faulty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[bench.methods]\n"
        "exits = faulty.descriptors:EXITS\nraises = faulty.descriptors:RAISES\n"
        "not_finite = faulty.descriptors:NOT_FINITE\nhangs = faulty.descriptors:HANGS\n"
    )
    return site


def test_failures_are_typed_and_cost_only_their_own_cell(faulty, tiny_file, tmp_path):
    bench = Bench(tmp_path, str(faulty))
    others = ("--methods", "exits,raises,not_finite,l1", "--ratios", "0.5")
    bench("run", tiny_file, *others, "--out", "results", expect=1)
    # Only the stages of `hangs` are new, so that no other can run into the limit.
    methods = ("--methods", "exits,raises,not_finite,hangs,l1", "--ratios", "0.5", "--timeout", "15")
    output = bench("run", tiny_file, *methods, "--out", "results", expect=1)
    records = {record.method: record for record in read_records(Layout(tmp_path / "results"))}
    assert records["l1"].status == "complete"
    assert {name: record.failure.kind for name, record in records.items() if record.failure} == {
        "exits": "worker_lost",
        "raises": "plugin_error",
        "not_finite": "plugin_error",
        "hangs": "timeout",
    }
    assert "exit code 7" in records["exits"].failure.message
    assert "by design" in records["raises"].failure.message
    assert "ZeroDivisionError" in records["raises"].failure.traceback
    assert "not finite" in records["not_finite"].failure.message
    assert all(record.missing["latency"] for name, record in records.items() if name != "l1")
    assert "4 of 5 cells failed" in output
    log = tmp_path / "results" / records["raises"].failure.log
    assert "by design" in log.read_text()

    report = bench("report", "results")
    assert report.count("blocked: ") == 4

    again = bench("run", tiny_file, *methods, "--out", "results", expect=1)
    assert "Nothing to do" in again
    plan = bench("plan", tiny_file, *methods[:4], "--out", "results")
    assert "failed before: worker_lost" in plan


def test_ctrl_c_ends_cleanly_and_the_same_command_goes_on(tiny_file, tmp_path):
    command = [
        sys.executable, "-c", "from harness.cli import main; main()", "run", str(tiny_file), "--methods", "l1",
        "--ratios", "0.5", "--out", "results", "--set", "training.iterations=150",
    ]  # fmt: skip
    run = subprocess.Popen(
        command, cwd=tmp_path, text=True, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    _wait_until_it_trains(tmp_path / "results")
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130, output
    assert "Interrupted" in output
    assert "goes on" in output
    assert "Traceback" not in output
    (record,) = read_records(Layout(tmp_path / "results"))
    assert record.status == "interrupted"
    assert record.missing["latency"] == "the run was interrupted"
    assert _workers_in(tmp_path) == []

    assert record.baseline.metrics is None
    resumed = subprocess.run(command, cwd=tmp_path, text=True, capture_output=True, timeout=300, check=False)
    assert resumed.returncode == 0, resumed.stdout
    (record,) = read_records(Layout(tmp_path / "results"))
    assert record.status == "complete"
    (train,) = (tmp_path / "results" / "stages").glob("train-*/stage.json")
    assert json.loads(train.read_text())["result"]["continued_from"] > 0


def _wait_until_it_trains(results):
    end = time.monotonic() + 120
    while time.monotonic() < end:
        logs = list(results.glob("work/train-*/stage.log"))
        if logs and "Iter(train)" in logs[0].read_text():
            return
        time.sleep(0.2)
    pytest.fail("the training did not start")


def _workers_in(folder):
    """Processes whose working directory is `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended while we looked
            if (process / "cwd").readlink() == folder:
                found.append(process.name)
    return found
