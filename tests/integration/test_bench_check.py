"""`bench check` as users run it: models that work, models that fail, a config file and a plain network of one's own."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from conftest import Bench
from faulty import install

from harness.store.model_check import CheckFile

EXAMPLE_MODEL = Path(__file__).parents[1] / "example_model"
CHECKS = {
    "masked_equals_physical", "predicted_costs_equal_counted", "forward_at_input_size", "forward_at_second_size",
    "parameters_fewer", "gradients_flow", "reload_equals_memory",
}  # fmt: skip
NETWORK = """
from torch import nn
from mmseg.registry import MODELS

@MODELS.register_module()
class TwoLayers(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1), nn.BatchNorm2d(width), nn.ReLU())
        self.second = nn.Sequential(nn.Conv2d(width, 8, 3, 2, 1), nn.ReLU())

    def forward(self, images):
        return [self.second(self.first(images))]
"""
BASE = """
model = dict(
    type="EncoderDecoder", backbone=dict(type="TwoLayers", width=8), train_cfg=dict(), test_cfg=dict(mode="whole"),
    decode_head=dict(type="FCNHead", in_channels=8, channels=8, num_convs=0, concat_input=False, num_classes=19),
)
"""
OWN = """
_base_ = "base.py"
custom_imports = dict(imports=["own_network"], allow_failed_imports=False)
model = dict(backbone=dict(width=WIDTH))
"""


def answer(output):
    return CheckFile.model_validate_json(output[output.index("{") : output.rindex("}") + 1])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = install(tmp_path_factory.mktemp("site"))
    (folder / "own_network.py").write_text(NETWORK)
    shutil.copytree(EXAMPLE_MODEL / "bench_example_model", folder / "bench_example_model")
    info = folder / "bench_example_model-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-example-model\nVersion: 0.1.0\n")
    entry = "[bench.models]\nsegmentation.skip_net = bench_example_model.descriptors:SKIP_NET\n"
    (info / "entry_points.txt").write_text(entry)
    return folder


def test_models_that_work(tmp_path):
    found = answer(Bench(tmp_path)("check", "residual_fcn", "unet", "--json"))
    assert [(model.model, model.verdict, model.built) for model in found.models] == [
        ("residual_fcn", "works", True),
        ("unet", "works", True),
    ]
    for model in found.models:
        (method,) = model.methods
        assert (method.method, method.traced, model.input_size) == ("l2", True, (64, 64))
        assert method.findings.prunable_channels > 0.9 * method.findings.channels
        assert [pin.module for pin in method.findings.pinned] == ["decode_head.conv_seg"]
        assert [tried.setting for tried in method.settings] == [0.3, 0.5, 0.7]
        for tried in method.settings:
            assert {check.name for check in tried.checks} == CHECKS
            assert {check.verdict for check in tried.checks} == {"pass"}
            assert tried.params_left == pytest.approx((1 - tried.setting) ** 2, abs=0.02)
            assert tried.macs < model.macs
        assert 0 < model.cpu_seconds < 60
    assert list(tmp_path.iterdir()) == []


def test_models_that_fail_beside_one_that_works(site, tmp_path):
    models = ("untraceable", "skip_net", "unprunable")
    output = Bench(tmp_path, str(site))("check", *models, "--methods", "l2@0.5", "--json", expect=1)
    found = answer(output)
    untraceable, working, unprunable = found.models
    assert "[2/3] skip_net: works" in output
    assert (found.status, working.verdict) == ("fails", "works")
    assert (untraceable.failure.kind, untraceable.methods[0].traced) == ("trace_error", False)
    message = untraceable.failure.message
    for part in ("`backbone`", "on [1, 3, 64, 64]", "`first, second = features.chunk(2)` (faulty/networks.py:"):
        assert part in message
    assert unprunable.verdict.startswith(
        "fails: unsupported_op: no channel of EncoderDecoder can be removed (`backbone"
    )
    assert "Cumsum in `backbone` on [1, 8, 64, 64]" in unprunable.failure.message
    for way in ("--protect PATTERN", "module rule", "report it"):
        assert way in unprunable.failure.hint


def test_a_config_file_of_ones_own(site, tmp_path):
    (tmp_path / "base.py").write_text(BASE)
    own = tmp_path / "own.py"
    own.write_text(OWN.replace("WIDTH", "12"))
    bench = Bench(tmp_path, str(site))
    output = bench("check", "own.py", "--protect", "backbone.second", "--methods", "l2@0.5", "--json")
    assert output.count("warning: a Python config is code that runs with your rights; you have named: own.py") == 1
    found = json.loads(output[: output.rindex("}") + 1])
    findings = found["models"][0]["methods"][0]["findings"]
    assert findings["protected"] == ["backbone.second.0"]
    assert findings["layers"] == ["backbone.first.0"]
    own.write_text(OWN.replace("WIDTH", "'twelve'"))
    assert "fails: config_error" in bench("check", "own.py", expect=1)


def test_a_config_file_runs_in_a_grid_and_is_gone_when_its_artifact_is_loaded(site, tmp_path, tiny_file):
    (tmp_path / "base.py").write_text(BASE)
    (tmp_path / "own.py").write_text(OWN.replace("WIDTH", "12"))
    bench = Bench(tmp_path, str(site))
    command = ("run", tiny_file, "--models", "own.py", "--pipelines", "l2@0.5+none", "--out", "results")
    assert "warning: a Python config is code" in bench(*command)
    assert "Nothing to do" in bench(*command)
    (tmp_path / "own.py").unlink()
    code = f"import harness; print(harness.load({str(next(tmp_path.glob('results/cells/*')))!r}))"
    environment = {**os.environ, "PYTHONPATH": str(site)}
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert "Conv2d(3, 6" in loaded.stdout


def test_a_config_file_is_not_taken_from_a_benchmark_that_was_handed_on(tmp_path):
    (tmp_path / "evil.py").write_text("open('ran', 'w').write('x')\nmodel = {}\n")
    for name in ("evil.py", f"mmseg::{tmp_path / 'evil.py'}"):
        (tmp_path / "grid.yaml").write_text(f"models: ['{name}']\nmethods: [l2]\nratios: [0.5]\n")
        output = Bench(tmp_path)("run", "grid.yaml", expect=2)
        assert "Python config" in output or "named by its path alone" in output
    assert not (tmp_path / "ran").exists()


def test_ctrl_c_ends_the_worker_too_and_leaves_nothing(tmp_path):
    command = [sys.executable, "-c", "from harness.cli import main; main()", "check", "unet"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    deadline = time.monotonic() + 60
    while not (logs := list(tmp_path.glob("bench-check-*/0/check.log"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert logs, "its worker has begun"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "interrupted" in errors
    assert "Traceback" not in errors
    assert list(tmp_path.glob("bench-check-*")) == []
