"""A third party's distribution, really pip-installed, is listed, runs in a grid and is named in the record."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Bench

from harness.store.layout import Layout
from harness.store.record import read_records

EXAMPLE = Path(__file__).parents[1] / "example_plugin"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site-packages")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--disable-pip-version-check", "--target", str(folder), str(EXAMPLE),
        ],
        check=True,
    )  # fmt: skip
    return folder


def test_it_is_listed_with_its_distribution(site, tmp_path):
    listed = json.loads(Bench(tmp_path, str(site))("list", "methods", "--json"))["methods"]
    (entry,) = [row for row in listed if row["name"] == "redundancy"]
    assert (entry["distribution"], entry["version"], entry["family"]) == ("bench-example", "0.1.0", "pruning")
    assert "redundancy" not in Bench(tmp_path)("list", "methods")


def test_it_runs_in_a_grid(site, tiny_file, tmp_path):
    bench = Bench(tmp_path, str(site))
    command = ("run", tiny_file, "--methods", "redundancy", "--ratios", "0.25", "--out", "results")
    bench(*command)
    (record,) = read_records(Layout(tmp_path / "results"))
    assert record.status == "complete"
    assert record.achieved.channels == pytest.approx(0.25, abs=0.01)
    assert record.provenance["plugins"]["prepare.method"] == {
        "distribution": "bench-example",
        "version": "0.1.0",
        "source": None,
    }
    disabled = bench(
        "run", tiny_file, "--methods", "redundancy", "--ratios", "0.25", "--disable", "bench-example", expect=2
    )
    assert "disabled" in disabled
