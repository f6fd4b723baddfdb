"""Seeds and deterministic kernels hold inside their block and leave nothing behind."""

import random

import numpy as np
import pytest
import torch

from harness.engine import stages
from harness.engine.seeding import algorithms, derive_seed, seeded


def draw():
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_seeds_differ_by_purpose_and_seed_and_stay_the_same():
    assert derive_seed(0, "prepare") == derive_seed(0, "prepare")
    assert len({derive_seed(seed, purpose) for seed in range(10) for purpose in ("prepare", "recover")}) == 20


def test_the_callers_random_states_are_restored():
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    expected = [draw(), draw()]
    torch.manual_seed(7)
    random.seed(7)
    np.random.seed(7)
    found = [draw()]
    with seeded(3):
        inside = draw()
    found.append(draw())
    assert found == expected
    with seeded(3):
        assert draw() == inside


def settings():
    cudnn = torch.backends.cudnn
    return torch.are_deterministic_algorithms_enabled(), cudnn.deterministic, cudnn.benchmark


def test_deterministic_kernels_are_asked_for_inside_only(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    assert before == (False, False, True)
    values, indices = torch.nn.functional.max_pool2d(torch.rand(1, 1, 4, 4), 2, return_indices=True)
    refused = pytest.raises(RuntimeError, match="does not have a deterministic implementation")
    with refused, algorithms(deterministic=True):
        assert settings() == (True, True, False)
        with algorithms(deterministic=False):
            assert settings() == (False, False, False)
        assert settings() == (True, True, False)
        torch.nn.functional.max_unpool2d(values, indices, 2)
    assert settings() == before


@pytest.mark.parametrize(
    ("kind", "wanted", "expected"),
    [("train", True, True), ("prepare", True, True), ("measure", True, False), ("recover", False, False)],
)
def test_a_stage_runs_with_what_its_benchmark_asks_for(monkeypatch, kind, wanted, expected):
    class Bench:
        deterministic = wanted

    class Job:
        class fields:  # noqa: N801 - as a job has it
            pass

    Job.fields.kind = kind
    monkeypatch.setattr(stages, "open_workbench", lambda job, progress: Bench)
    monkeypatch.setitem(stages._STAGES, kind, lambda bench: {"found": torch.are_deterministic_algorithms_enabled()})
    assert stages.run_stage(Job, lambda *told: None) == {"found": expected}
    assert not torch.are_deterministic_algorithms_enabled()
