import os
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest
import torch

PROJECT = Path(__file__).parents[2] / "example_plugin"

PRUNE_WITH_IT = """
import sys
from importlib.metadata import entry_points
(point,) = [p for p in entry_points(group="bench.methods") if p.name == "redundancy"]
descriptor = point.load()
assert "torch" not in sys.modules, "the descriptor imports torch"
import importlib, torch
module, _, name = descriptor.implementation.partition(":")
method = getattr(importlib.import_module(module), name)(options=descriptor.options())
from pruning_fakes import Chain, FakeContext
model, context = Chain(), FakeContext()
with torch.no_grad():
    model.first.weight[4:] = -2 * model.first.weight[:4] * torch.tensor([1, 1, 0, 0.0])[:, None, None, None] \
        + model.first.weight[4:] * torch.tensor([0, 0, 1, 1.0])[:, None, None, None]
state = method.prepare(model, context)
assert sorted(state.tensors["scores.first"].argsort()[:4].tolist()) == [0, 1, 4, 5], state.tensors
result = method.compress(model, 0.5, state, context)
assert result.checks[0].verdict == "pass"
print(model.first.out_channels)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the example plugin installed as a third party would."""
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    subprocess.run([*command, "--no-index", "--target", str(target), str(PROJECT)], check=True)
    return target


def test_it_installs_with_its_entry_point(installed):
    (found,) = [d for d in distributions(path=[str(installed)]) if d.name == "bench-example"]
    assert [(point.group, point.name) for point in found.entry_points] == [("bench.methods", "redundancy")]


def test_it_prunes_a_network_once_installed(installed):
    search = [str(installed), str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(search), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", PRUNE_WITH_IT], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "4"


def test_its_scores_ignore_scale_and_sign(monkeypatch):
    monkeypatch.syspath_prepend(str(PROJECT))
    from bench_example.criterion import Redundancy
    from pruning_fakes import Chain, FakeTask

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.channels.tracing import trace
    from bench_pruning.descriptors import PruningOptions

    model = Chain()
    group = BoundGroup(trace(model, FakeTask(), torch.zeros(1, 3, 8, 8)).prunable[0], model)
    method = Redundancy(options=PruningOptions())
    before = method.score(group, {})
    with torch.no_grad():
        model.first.weight.mul_(torch.tensor([1, -2, 3, -4, 5, -6, 7, -8.0])[:, None, None, None])
    torch.testing.assert_close(method.score(group, {}), before)
    assert bool(((before > 0) & (before < 1)).all())
