from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest
from pydantic import ValidationError

from bench_segmentation.descriptors import DIGITS, RESIDUAL_FCN, SEGMENTATION, UNET, DigitsOptions
from harness.spec.budget import TrainingBudget


def test_planning_needs_no_torch():
    program = (
        "import sys, bench_segmentation.descriptors as d;"
        "print(d.DIGITS.fingerprint(d.DigitsOptions()));"
        "assert not {'torch', 'mmseg', 'mmengine'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.strip()) >= 16


def test_fingerprint_follows_what_changes_the_scenes_only():
    first = DIGITS.fingerprint(DigitsOptions())
    assert DIGITS.fingerprint(DigitsOptions(test=5)) == first
    assert DIGITS.fingerprint(DigitsOptions(size=96)) != first
    assert DIGITS.fingerprint(DigitsOptions(scene_seed=1)) != first


@pytest.mark.parametrize("model", [RESIDUAL_FCN, UNET])
def test_recommended_budgets_are_valid(model):
    budget = TrainingBudget.model_validate(model.training)
    assert budget.iterations > 100


def test_the_demo_names_exist():
    assert SEGMENTATION.demo_model == RESIDUAL_FCN.name
    assert SEGMENTATION.demo_dataset == DIGITS.name
    assert SEGMENTATION.primary.name == "mIoU"


def test_every_entry_point_names_an_implementation():
    found = 0
    for group in ("bench.tasks", "bench.datasets", "bench.models"):
        for point in entry_points(group=group):
            if point.value.startswith("bench_segmentation."):
                module, _, name = point.load().implementation.partition(":")
                assert isinstance(getattr(import_module(module), name), type)
                found += 1
    assert found >= 5


def test_digits_refuse_a_side_that_the_networks_cannot_halve():
    with pytest.raises(ValidationError, match="multiple of 16"):
        DigitsOptions(size=70)
