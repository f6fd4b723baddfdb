"""Two `bench run` processes on one results folder share the work and run no stage twice."""

import subprocess
import sys

from harness.store.layout import Layout
from harness.store.record import read_records


def test_two_processes_run_each_stage_once(tiny_file, tmp_path):
    command = [
        sys.executable, "-c", "from harness.cli import main; main()", "run", str(tiny_file), "--methods", "l1,l2",
        "--ratios", "0.5", "--out", "results",
    ]  # fmt: skip
    runs = [
        subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(2)
    ]
    outputs = [run.communicate(timeout=300)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], outputs
    started = [line.partition("start")[2] for output in outputs for line in output.splitlines() if "] start" in line]
    stages = list((tmp_path / "results" / "stages").iterdir())
    assert len(stages) == 14
    assert sorted(set(started)) == sorted(started)
    assert len(started) == len(stages)
    assert [record.status for record in read_records(Layout(tmp_path / "results"))] == ["complete", "complete"]
