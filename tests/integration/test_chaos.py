"""Killed at any moment, the same command completes: nothing is lost, nothing that was complete runs twice."""

import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from chaos import comparable_records, start, stored_files, torment, wait_for_orphans

from harness.store.layout import Layout
from harness.store.record import read_records
from harness.store.stage import read_stage_file

SUPPORT = Path(__file__).parents[1] / "support"
pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="finds the processes to kill in /proc")


@pytest.fixture
def noop(tmp_path):
    """Starts a run of cells whose stages compute nothing; `began` counts what its ledger says."""

    class Noop:
        ledger = tmp_path / "ledger"

        def command(self, folder, cells, workers=2):
            return [sys.executable, str(SUPPORT / "noop_run.py"), str(folder), str(cells), str(workers)]

        def environment(self, seconds, ledger=None):
            return {
                **os.environ, "PYTHONPATH": str(SUPPORT), "BENCH_TEST_LEDGER": str(ledger or self.ledger),
                "BENCH_TEST_STAGE_SECONDS": str(seconds),
            }  # fmt: skip

        def noted(self):
            return Counter(line.split()[0] for line in self.ledger.read_text().splitlines())

    return Noop()


def wait_until(reached, runs, seconds=120):
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end
        assert all(run.poll() is None for run in runs)
        time.sleep(0.02)


def test_a_dozen_kills_cost_nothing_but_time(noop, tmp_path):
    folder, reference = tmp_path / "killed", tmp_path / "reference"
    damage = torment(
        noop.command(folder, 80), folder, noop.environment(0.04), kills=12, between=(0.4, 1.1), seed=20261122
    )
    assert damage.kills.total() >= 10, damage
    assert {"scheduler", "group"} <= set(damage.kills)
    assert damage.lost == []
    assert damage.redone == []
    assert set(damage.exit_codes) == {0}
    noted = noop.noted()
    assert noted["repeated"] == noted["overlapped"] == 0
    assert len(stored_files(folder)) == 403
    assert noted["began"] <= 403 + 2 * damage.kills.total(), "a kill costs at most what two workers had in hand"
    assert wait_for_orphans(folder) == []

    start(noop.command(reference, 80), reference, noop.environment(0, tmp_path / "other")).wait()
    assert comparable_records(folder) == comparable_records(reference)
    assert stored_files(folder) == stored_files(reference)
    assert {record.status for record in read_records(Layout(folder))} == {"complete"}


def test_four_processes_run_each_stage_exactly_once_also_when_one_is_killed(noop, tmp_path):
    folder = tmp_path / "shared"
    runs = [start(noop.command(folder, 40, workers=1), folder, noop.environment(0.05)) for _ in range(4)]
    wait_until(lambda: noop.ledger.exists() and noop.noted()["ended"] >= 20, runs)
    runs[0].kill()
    assert [run.wait(300) for run in runs[1:]] == [0, 0, 0]
    noted = noop.noted()
    assert noted["repeated"] == noted["overlapped"] == 0
    assert len(stored_files(folder)) == 203
    assert noted["began"] <= 203 + 1, "the stage that the killed one had in hand"
    assert {record.status for record in read_records(Layout(folder))} == {"complete"}


def test_one_killed_training_ends_with_the_weights_of_an_unkilled_one(tiny_file, tmp_path):
    """One worker, two workers, and one killed in the middle: the same weights and records, bit for bit."""

    def command(folder, workers):
        return [
            sys.executable, "-c", "from harness.cli import main; main()", "run", str(tiny_file), "--methods", "random",
            "--ratios", "0.5", "--deterministic", "--set", "training.iterations=40", "--workers", str(workers),
            "--out", str(folder),
        ]  # fmt: skip

    one, two, killed = (tmp_path / name for name in ("one", "two", "killed"))
    for folder, workers in ((one, 1), (two, 2)):
        assert subprocess.run(command(folder, workers), capture_output=True, check=False, timeout=300).returncode == 0
    run = start(command(killed, 1), killed, dict(os.environ))
    wait_until(lambda: list(killed.glob("work/train-*/mmengine/iter_*.pth.sha256")), [run])
    run.kill()
    assert wait_for_orphans(killed) == []
    resumed = subprocess.run(command(killed, 1), capture_output=True, text=True, check=False, timeout=300)
    assert resumed.returncode == 0, resumed.stdout
    assert stored_files(one) == stored_files(two) == stored_files(killed)
    assert any("model/weights.safetensors" in files for files in stored_files(one).values())

    def records(folder):
        return [
            {**record, "stages": [(stage["kind"], stage["identity"]) for stage in record["stages"]], "provenance": None}
            for record in comparable_records(folder).values()
        ]

    assert records(one) == records(two) == records(killed)
    (train,) = killed.glob("stages/train-*/stage.json")
    assert read_stage_file(train).result["continued_from"] > 0
