"""A training of a network so small that a test can afford several."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from torch import nn

from harness.engine.training import train


class SmallNetwork(BaseModel):
    """Has what makes continuing hard: batch normalisation and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1))

    def forward(self, x, y, mode="tensor"):
        return {"loss": self.body(x).sub(y).pow(2).mean()}


class Rates(Hook):
    """Notes the learning rate of each iteration."""

    priority = "VERY_HIGH"

    def __init__(self):
        self.found = []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.found.append(runner.optim_wrapper.param_groups[0]["lr"])


class Interrupt(Hook):
    def __init__(self, at):
        self.at = at

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.at:
            raise KeyboardInterrupt


def network():
    torch.manual_seed(0)
    return SmallNetwork()


def samples():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    return [{"x": one, "y": one.sum()[None]} for one in x]


def run(model, budget, work, hooks=(), visualizers=(), member=None, progress=lambda *told: None):
    loader = {
        "dataset": samples(),
        "sampler": {"type": "InfiniteSampler", "shuffle": True, "seed": 0},
        "batch_size": budget.batch_size,
        "num_workers": 0,
        "collate_fn": {"type": "default_collate"},
    }
    return train(
        model, loader=loader, budget=budget, seed=1, scope="mmengine", name=work.name, work=work,
        progress=progress, hooks=hooks, visualizers=visualizers, member=member,
    )  # fmt: skip
