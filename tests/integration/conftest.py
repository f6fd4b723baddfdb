"""One small real grid, run once and looked at by many tests."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from tiny import TINY


@dataclass(frozen=True)
class Bench:
    """Runs `bench` as a user does, in a folder of its own."""

    folder: Path
    python_path: str = ""

    def __call__(self, *arguments, expect=0):
        environment = {**os.environ, "COLUMNS": "200"}
        if self.python_path:
            environment["PYTHONPATH"] = os.pathsep.join([self.python_path, environment.get("PYTHONPATH", "")])
        result = subprocess.run(
            [sys.executable, "-c", "from harness.cli import main; main()", *map(str, arguments)],
            capture_output=True, text=True, cwd=self.folder, env=environment, timeout=600, check=False,
        )  # fmt: skip
        assert result.returncode == expect, result.stdout + result.stderr
        return result.stdout + result.stderr


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("benchmark") / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture(scope="session")
def grid(tmp_path_factory, tiny_file):
    """The results of two methods at one ratio."""
    bench = Bench(tmp_path_factory.mktemp("grid"))
    output = bench("run", tiny_file, "--methods", "fpgm,l1", "--ratios", "0.5", "--out", "results")
    return bench, bench.folder / "results", output


@pytest.fixture
def own_grid(grid, tmp_path):
    """A copy of the grid that a test may change."""
    bench, results, _ = grid
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    return bench, copy
