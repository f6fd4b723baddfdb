"""The example distributions, really pip-installed, hold what we ask of all."""

import subprocess
import sys
from pathlib import Path

import pytest

from harness.testing import MethodSuite, ModelSuite

PROJECTS = [Path(__file__).parents[1] / name for name in ("example_plugin", "example_model")]
SMALL = {"size": 32}


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory):
    """Puts both on the path for as long as this file is tested."""
    site = tmp_path_factory.mktemp("site-packages")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation",
            "--disable-pip-version-check", "--target", str(site), *map(str, PROJECTS),
        ],
        check=True,
    )  # fmt: skip
    sys.path.insert(0, str(site))
    yield
    sys.path.remove(str(site))
    for name in [name for name in sys.modules if name.partition(".")[0] in ("bench_example", "bench_example_model")]:
        del sys.modules[name]


class TestRedundancy(MethodSuite):
    method = "redundancy"
    model_options = {"base_channels": 8}
    dataset_options = SMALL


class TestL2OnSkipNet(MethodSuite):
    method = "l2"
    model = "skip_net"
    model_options = {"width": 8}
    dataset_options = SMALL


class TestSkipNet(ModelSuite):
    model = "skip_net"
    options = {"width": 8}
    dataset_options = SMALL
