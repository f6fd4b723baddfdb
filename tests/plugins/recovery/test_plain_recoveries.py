from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from bench_recovery.descriptors import FINETUNE, NONE, SCRATCH
from harness.errors import PluginError
from harness.registry.descriptors import Options


def recovery(descriptor):
    module, _, name = descriptor.implementation.partition(":")
    return getattr(import_module(module), name)(options=Options())


def test_finetune_keeps_the_weights_and_adds_nothing():
    recipe = recovery(FINETUNE).recipe(None, None)
    assert recipe.reinitialize is False
    assert recipe.hooks == []


def test_scratch_starts_from_fresh_weights():
    assert recovery(SCRATCH).recipe(None, None).reinitialize is True


def test_none_is_not_a_training():
    assert not NONE.trains
    assert FINETUNE.trains
    assert SCRATCH.trains
    with pytest.raises(PluginError, match="does not train"):
        recovery(NONE).recipe(None, None)


def test_entry_points_name_the_descriptors():
    points = {point.name: point for point in entry_points(group="bench.methods")}
    for descriptor in (FINETUNE, SCRATCH, NONE):
        assert points[descriptor.name].load() is descriptor
        assert descriptor.kind == descriptor.family == "recovery"


def test_descriptors_need_no_torch():
    program = "import sys, bench_recovery.descriptors; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
