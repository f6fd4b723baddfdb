"""The demo's models really learn: accuracy on unseen digits and photos at their recommended budgets."""

import json
import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize(("model", "at_least"), [("residual_fcn", 0.55), ("unet", 0.60)])
def test_foreground_miou(tmp_path, model, at_least):
    subprocess.run(
        [
            sys.executable, "-c", "from harness.cli import main; main()", "run", "--models", model,
            "--pipelines", "l1@0.2+none", "--no-controls", "--out", "results",
        ],
        cwd=tmp_path, check=True,
    )  # fmt: skip
    (record,) = (tmp_path / "results" / "cells").glob("*/record.json")
    assert json.loads(record.read_text())["baseline"]["metrics"]["foreground_mIoU"] >= at_least
