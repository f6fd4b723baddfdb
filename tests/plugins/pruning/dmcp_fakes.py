"""A search on small networks, with mmengine's own optimiser wrapper in a loop of a few lines."""

import torch
from mmengine.optim import OptimWrapper
from pruning_fakes import FakeContext

from bench_pruning.channels.costs import CostModel
from bench_pruning.channels.tracing import follow, traced
from bench_pruning.demand import Demand
from bench_pruning.descriptors.dmcp import DMCPOptions
from bench_pruning.dmcp.chain import Chain
from bench_pruning.dmcp.supernet import Supernet
from bench_pruning.places import gate_places


class SearchContext(FakeContext):
    """Trains what has a `train_step`."""

    rate = 0.05

    def train(self, model, budget, purpose, hooks=()):
        assert purpose == "search"
        wrapper = OptimWrapper(torch.optim.SGD(model.parameters(), lr=self.rate))
        for _ in range(budget.iterations):
            model.train()
            model.train_step(next(self.calibration_batches()), wrapper)
        return budget.iterations


def supernet_of(model, context=None, *, target=0.5, iterations=8, steps=4, **options):
    """Returns a supernet over all prunable groups of a model, and what it was traced as."""
    context = context or SearchContext(size=(8, 8))
    images = context.example_images(2)
    found = traced(model, follow(model, context.task, images))
    groups = list(found.prunable)
    demand = Demand.on(model, groups, of="macs", macs=found.macs, protected=frozenset())
    chains = {group.name: Chain.over(group.size, steps, 1) for group in groups}
    places = gate_places(model, groups, lambda probe: context.task.forward(probe, images)).behind
    net = Supernet(
        model,
        context.task,
        chains=chains,
        places=places,
        costs=CostModel(demand.costs["macs"].terms),
        sizes=demand.sizes,
        target=target * demand.dense,
        iterations=iterations,
        options=DMCPOptions(**options),
        seed=0,
        alpha=torch.zeros(sum(map(len, chains.values()))),
    )
    return net, groups, demand
