"""Differentiable Markov channel pruning."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from bench_pruning.allocation import Allocation
from bench_pruning.channels.copying import copied
from bench_pruning.channels.costs import CostModel
from bench_pruning.channels.groups import ChannelGroup
from bench_pruning.demand import Demand
from bench_pruning.descriptors.first_vss import NOT_SPECIFIED
from bench_pruning.dmcp.chain import Chain, split
from bench_pruning.dmcp.selection import Found, drawn_network, expected_network, fitted
from bench_pruning.dmcp.supernet import Supernet
from bench_pruning.limits import fewest_kept
from bench_pruning.method import PruningMethod, Statistics, ratio_from
from bench_pruning.places import gate_places
from bench_pruning.ranking import scores_by_layer
from harness.registry.method import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.descriptors.dmcp import DMCPOptions
    from bench_pruning.places import Places
    from harness.registry.context import Context
    from harness.spec.budget import TrainingBudget
    from harness.spec.setting import Setting

ALPHA = "alpha."
"""Prefix of the chains' parameters in the state, [K] by the group's name."""


class DMCP(PruningMethod):
    """Widths of all layers, from Markov chains that are trained together with a network of all widths.

    Channels of a layer go from the last to the first; which of its widths is worth its cost is learned by gradients of
    the training loss and of a penalty on the expected cost of the whole network, see `Supernet`. Only the widths are
    taken: the network that is found is trained from fresh weights (the recovery `scratch`). Every target has its own
    search.

    What differs from the authors: the search begins with the baseline's weights and has a recovery's budget instead of
    forty epochs; widths are masks behind normalisation, not slices; layers that share channels share a chain; and with
    `fit` the chains of all layers are widened or narrowed by one number until the expected network meets the target,
    since the penalty leaves a network alone that is up to 5 % below it, and a short search may end far away.

    Source: Guo et al., DMCP: Differentiable Markov Channel Pruning for Neural Networks (CVPR 2020).
    """

    seed_refusal = NOT_SPECIFIED

    options: DMCPOptions

    def prepare(self, model: nn.Module, context: Context) -> State:
        """Searches, and returns the groups and the parameters of their chains.

        Raises:
            NonFiniteLossError: The training diverged.
            UnsupportedOperationError: No channel can be removed, or the network's outputs are no classes.
            UserError: See `PruningMethod.prepare`.
        """
        ratio = ratio_from(context.prepare_key)
        state = super().prepare(model, context)
        groups, demand = _demand(model, state, context)
        batch = next(context.calibration_batches(samples=2))
        places = gate_places(copied(model), groups, lambda probe: context.loss(probe, copy.deepcopy(batch)))
        uncalled = [
            {"module": slot.module, "reason": "it is not called as a module, so that no width of it can be tried"}
            for slots in places.uncalled.values()
            for slot in slots
        ]
        chains = {name: chain for name, chain in self._chains(demand).items() if name not in places.uncalled}
        alpha = self._start(chains, demand, ratio)
        iterations = 0
        if ratio and chains:
            supernet = self._supernet(model, places, chains, alpha, demand, ratio, context)
            copy.deepcopy(supernet).train().require_trainable(batch)
            iterations = context.train(supernet, self._budget(context), "search")
            alpha = supernet.alpha.detach().cpu()
        parts = zip(chains, split(alpha, list(chains.values())), strict=True)
        tensors = {**state.tensors, **{ALPHA + name: part.clone() for name, part in parts}}
        pinned = [*state.data["pinned"], *uncalled]
        return State(tensors=tensors, data={**state.data, "pinned": pinned, "search_iterations": iterations})

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the order in which channels go, the last first, [C]; how many go is the chain's matter."""
        del statistics
        return -torch.arange(group.size, dtype=torch.float32)

    def choose(self, setting: Setting | None, state: State, demand: Demand, context: Context) -> Allocation:
        """Returns the network that the chains stand for."""
        ratio = ratio_from(setting)
        if not ratio:
            kept = {name: list(range(size)) for name, size in demand.sizes.items()}
            return Allocation(kept=kept, target=demand.target(ratio, kept, ""))
        searched = {name for name in demand.sizes if ALPHA + name in state.tensors}
        chains = {name: chain for name, chain in self._chains(demand).items() if name in searched}
        alpha = {name: state.tensors[ALPHA + name] for name in chains}
        found = self._found(chains, alpha, demand)
        shift = fitted(found, ratio) if self.options.fit else 0.0
        found = found.moved(shift)
        if self.options.sampling == "expected":
            chosen = expected_network(found, ratio, exactly=self.options.fit)
        else:
            chosen = drawn_network(found, ratio, context.generator("widths"))
        chosen.details["search"] |= {"iterations": state.data["search_iterations"], "shift": shift}
        return chosen

    def channel_scores(self, model: nn.Module, state: State, context: Context) -> dict[str, torch.Tensor]:
        """Returns the probability that the search gives each channel of each layer to stay; the first have 1.

        Layers that have no chain are left out.
        """
        groups, demand = _demand(model, state, context)
        chains = {name: chain for name, chain in self._chains(demand).items() if ALPHA + name in state.tensors}
        gates = {
            name: chain.gates(state.tensors[ALPHA + name], self.options.probability) for name, chain in chains.items()
        }
        return scores_by_layer(model, groups, gates)

    def _chains(self, demand: Demand) -> dict[str, Chain]:
        """Returns the chains of the groups that may lose channels."""
        free = {name: size for name, size in demand.sizes.items() if name not in demand.protected}
        chains = {
            name: Chain.over(size, self.options.widths, fewest_kept(size, self.options)) for name, size in free.items()
        }
        return {name: chain for name, chain in chains.items() if len(chain)}

    def _start(self, chains: Mapping[str, Chain], demand: Demand, ratio: float) -> torch.Tensor:
        """Returns what the chains begin with, [sum K]."""
        zeros = {name: torch.zeros(len(chain), dtype=torch.float64) for name, chain in chains.items()}
        found = self._found(chains, zeros, demand)
        if self.options.start == "target":
            found = found.moved(fitted(found, ratio))
        return torch.cat([*found.alpha.values(), torch.zeros(0, dtype=torch.float64)])

    def _found(self, chains: Mapping[str, Chain], alpha: Mapping[str, torch.Tensor], demand: Demand) -> Found:
        return Found(chains=chains, alpha=alpha, form=self.options.probability, options=self.options, demand=demand)

    def _budget(self, context: Context) -> TrainingBudget:
        """Returns the search's budget: a recovery's, for as many steps as the options say.

        Every batch is a step of the search, whatever `accumulate` says: the gradients of four networks are added.
        """
        budget = context.budget
        names = tuple(f"network.{name}" for name in budget.activation_checkpointing)
        iterations = self.options.iterations or budget.iterations
        update = {"iterations": iterations, "activation_checkpointing": names, "accumulate": 1}
        return budget.model_copy(update=update)

    def _supernet(
        self,
        model: nn.Module,
        places: Places,
        chains: Mapping[str, Chain],
        alpha: torch.Tensor,
        demand: Demand,
        ratio: float,
        context: Context,
    ) -> Supernet:
        """Returns what is trained: a copy of the model with all widths."""
        return Supernet(
            copied(model),
            context.task,
            chains=chains,
            places=places.behind,
            costs=demand.costs[demand.of],
            sizes=demand.sizes,
            target=(1 - ratio) * demand.dense,
            iterations=self._budget(context).iterations,
            options=self.options,
            seed=context.generator("widths of the search").initial_seed(),
            alpha=alpha,
        ).to(context.device)


def _demand(model: nn.Module, state: State, context: Context) -> tuple[list[ChannelGroup], Demand]:
    """Returns the groups of a state, and the demand on its model."""
    groups = [ChannelGroup.from_json(group) for group in state.data["groups"]]
    macs, protected = CostModel.from_json(state.data["macs"]), frozenset(state.data["protected"])
    return groups, Demand.on(model, groups, of=context.ratio_of, macs=macs, protected=protected)
