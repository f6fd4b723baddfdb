"""Everything that a process shares is watched and put back."""

import os
import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_hook

from harness.testing.global_state import watched

CHANGES = {
    "Python's random state": lambda: random.random(),
    "NumPy's random state": lambda: np.random.rand(),
    "torch's random state": lambda: torch.rand(1),
    "torch's default dtype": lambda: torch.set_default_dtype(torch.float64),
    "torch's gradient mode": lambda: torch.set_grad_enabled(False),
    "torch's deterministic algorithms": lambda: torch.use_deterministic_algorithms(True, warn_only=True),
    "torch's anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "torch's float32 matmul precision": lambda: torch.set_float32_matmul_precision("medium"),
    "cuDNN's flags": lambda: setattr(torch.backends.cudnn, "benchmark", not torch.backends.cudnn.benchmark),
    "torch's number of threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "hooks on all modules": lambda: register_module_forward_hook(lambda *_: None),
    "filters of warnings": lambda: warnings.simplefilter("ignore"),
    "environment variables": lambda: os.environ.update(SKETCH="left"),
    "the current folder": lambda: os.chdir(Path.cwd().parent),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_told_and_put_back(name):
    with watched([], random_states=True):
        CHANGES[name]()  # what it imports for the first time may change more
    before, changed = [], []
    with watched(before, random_states=True):
        pass
    with watched(changed, random_states=True):
        CHANGES[name]()
    assert before == []
    assert len(changed) == 1, "it had been put back, or this would be no change"
    assert changed[0].startswith(name)


def test_random_states_are_put_back_even_where_they_are_no_leak():
    before, leaks = torch.get_rng_state(), []
    with watched(leaks, random_states=False):
        torch.manual_seed(7)
    assert torch.equal(torch.get_rng_state(), before)
    assert leaks == []


def test_it_is_put_back_behind_an_error():
    with pytest.raises(ZeroDivisionError), watched([], random_states=True):
        torch.set_default_dtype(torch.float64)
        raise ZeroDivisionError
    assert torch.get_default_dtype() == torch.float32
