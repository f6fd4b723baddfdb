"""A search that is interrupted while a method prepares goes on as if nothing had happened."""

import copy

import pytest
import torch
from mmengine.hooks import Hook
from test_engine_parts import bench, file, job, model  # noqa: F401  (fixtures)

from bench_pruning.descriptors.dmcp import DMCPOptions
from bench_pruning.dmcp.method import DMCP
from harness.engine.context import StageContext
from harness.engine.seeding import algorithms, seeded
from harness.spec.budget import TrainingBudget


class Interrupt(Hook):
    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == 16:
            raise KeyboardInterrupt


class Interrupted(StageContext):
    def train(self, model, budget, purpose, hooks=()):  # noqa: F811
        return super().train(model, budget, purpose, [*hooks, Interrupt()])


def prepared(kind, bench, model):  # noqa: F811
    context = kind(bench)
    context.prepare_key = 0.5
    context.budget = TrainingBudget(iterations=20, batch_size=2)
    with seeded(7), algorithms(deterministic=True):
        return DMCP(options=DMCPOptions()).prepare(copy.deepcopy(model), context)


def test_the_chains_are_those_of_an_uninterrupted_search(bench, model, tmp_path):  # noqa: F811
    """Steps 11 to 20 are of chains and weights in turn; the interruption comes behind the checkpoint of step 14."""
    torch.set_num_threads(1)
    with pytest.raises(KeyboardInterrupt):
        prepared(Interrupted, bench, model)
    assert list(tmp_path.rglob("iter_14.pth"))
    continued = prepared(StageContext, bench, model)
    assert continued.data["search_iterations"] == 20
    whole = prepared(StageContext, bench, model)  # the finished one has left no checkpoint
    assert set(whole.tensors) == set(continued.tensors)
    for name, value in whole.tensors.items():
        assert torch.equal(value, continued.tensors[name]), name
    moved = [value for name, value in whole.tensors.items() if name.startswith("alpha.")]
    assert any(bool(value.any()) for value in moved)
