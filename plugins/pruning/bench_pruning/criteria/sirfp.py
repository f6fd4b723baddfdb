"""Spatial-aware information redundancy of feature maps."""

from __future__ import annotations

import copy
from collections import Counter
from typing import TYPE_CHECKING

import torch

from bench_pruning.channels import modes
from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.criteria.clique import greedy_removal
from bench_pruning.criteria.feature_maps import maps_of, members_mean, observed, set_modes
from bench_pruning.criteria.redundancy import edge_sum, redundancy_sum
from bench_pruning.method import PruningMethod, Statistics
from bench_pruning.places import gate_places
from harness.errors import NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.descriptors.sirfp import SIRFPOptions
    from harness.registry.context import Context
    from harness.registry.task import Batch

REDUNDANCY, EDGE, GRADIENT = "redundancy.", "edge.", "gradient."
"""Prefixes of a group's statistics."""

BACKBONE = "backbone"
"""What the paths of backbone layers contain, as in OpenMMLab's models; without any, the whole network is one."""


class SIRFP(PruningMethod):
    """Minus the redundancy of a channel's map with those of the channels that outlast it, plus the detail it shows.

    Maps are what normalisation makes of a layer, before the activation and at full resolution (of a layer without
    normalisation, its own result). Their redundancies, averaged over the images, are the weights of a graph, in which
    a greedy search gives up one channel after the other. `variant=reference` is the code that the authors released:
    it counts the redundancy of a channel with itself, and sees edges at the borders of maps.

    What differs from the authors, in both variants:

    * The mean over the calibration images in eval mode stands for their moving average over thousands of iterations of
      training, which is needed because weights change there.
    * One ranking over all channels stands for their two, of backbone and head.
    * Layers that share channels are averaged, channel by channel, and lose the same ones; theirs are scored one by one,
      and keep what any member keeps.
    * The gradient term averages |dL/dgamma| over the batches for which gamma dL/dgamma > 0.

    A group of which no layer ran on the calibration images has scores of 0.

    Source: Wu et al., Structural Pruning via Spatial-aware Information Redundancy for Semantic Segmentation (AAAI
    2025), algorithm 1; the edges, the weights and the gradients from the authors' code.
    """

    seed = "sirfp"

    options: SIRFPOptions

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns each group's redundancies [C, C], and where they have a weight, edges and gradients [C].

        Raises:
            NonFiniteLossError: A loss or its gradients are not finite.
            UnsupportedOperationError: A group's channels are made by no layer.
        """
        network = copied(model)
        set_modes(network)
        network.requires_grad_(False)
        devices = [context.device] if context.device.type == "cuda" else []
        with restored_randomness(context.seed, devices), modes.unfused():
            first = next(context.calibration_batches())
            with modes.restored_buffers(network):
                places = gate_places(
                    network, [group.group for group in groups], lambda probe: _run(probe, first, context)
                )
            paths = {name: [slot.module for slot in slots] for name, slots in places.behind.items()}
            means = self._means(network, {path for found in paths.values() for path in found}, context)
        statistics: Statistics = {}
        for group in groups:
            for prefix, values in means.items():
                own = {path: values[path] for path in paths[group.name] if path in values}
                if own:
                    statistics[prefix + group.name] = members_mean(group, own)
        return statistics

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the scores, [C]."""
        zeros = torch.zeros(group.size, dtype=torch.float64)
        redundancy = statistics.get(REDUNDANCY + group.name, torch.diag(zeros))
        removal = greedy_removal(redundancy, diagonal=self.options.variant == "reference")
        edges, gradients = (statistics.get(prefix + group.name, zeros) for prefix in (EDGE, GRADIENT))
        return (
            self._scaled(removal.scores)
            + self._edge_weight(group) * self._scaled(edges)
            + self.options.gradient_weight * self._scaled(gradients)
        )

    def _means(
        self, network: nn.Module, paths: Collection[str], context: Context
    ) -> dict[str, dict[str, torch.Tensor]]:
        """Returns the means over maps (of gradients, over batches) by prefix and path; redundancies are magnitudes."""
        sums: dict[str, dict[str, torch.Tensor]] = {REDUNDANCY: {}}
        if self.options.edge_weight or self.options.head_edge_weight:
            sums[EDGE] = {}
        maps_seen: Counter[str] = Counter()
        gradients = _Gradients(network, paths) if self.options.gradient_weight else None

        def visit(path: str, layer: nn.Module, output: torch.Tensor) -> None:
            maps = maps_of(layer, output.detach())
            maps_seen[path] += len(maps)
            found = {REDUNDANCY: redundancy_sum(maps)}
            if EDGE in sums:
                found[EDGE] = edge_sum(maps, "zero" if self.options.variant == "reference" else "replicate")
            for prefix, values in found.items():
                sums[prefix][path] = sums[prefix][path] + values if path in sums[prefix] else values

        for batch in context.calibration_batches():
            with observed(network, paths, visit), torch.set_grad_enabled(gradients is not None):
                loss = context.loss(network, batch)
            if gradients is not None:
                gradients.add(loss)
        means = {
            prefix: {path: values / maps_seen[path] for path, values in own.items()} for prefix, own in sums.items()
        }
        means[REDUNDANCY] = {path: values.abs() for path, values in means[REDUNDANCY].items()}
        return means if gradients is None else {**means, GRADIENT: gradients.means()}

    def _edge_weight(self, group: BoundGroup) -> float:
        """Returns the mean weight over the group's layers, which may lie in the backbone or behind it."""
        divided = any(BACKBONE in path for path, _ in group.model.named_modules())
        weights = [
            self.options.edge_weight if BACKBONE in path or not divided else self.options.head_edge_weight
            for path in group.group.layers
        ]
        return sum(weights) / max(len(weights), 1)

    def _scaled(self, term: torch.Tensor) -> torch.Tensor:
        mean = term.abs().mean()
        return term / mean if self.options.normalize and mean > 0 else term


class _Gradients:
    """The mean of |dL/dgamma| of normalisation scales over the batches for which gamma dL/dgamma > 0."""

    def __init__(self, network: nn.Module, paths: Collection[str]) -> None:
        self._scales = dict(_scales(network, paths))
        self._sums = {path: torch.zeros_like(scale, dtype=torch.float64) for path, scale in self._scales.items()}
        self._counts = {path: torch.zeros_like(total) for path, total in self._sums.items()}
        for scale in self._scales.values():
            scale.requires_grad_(True)

    def add(self, loss: torch.Tensor) -> None:
        """Adds the gradients of a batch.

        Raises:
            NonFiniteLossError: The loss or a gradient is not finite.
        """
        scales = self._scales
        if not loss.requires_grad:
            return
        found = torch.autograd.grad(loss, list(scales.values()), allow_unused=True)
        for (path, scale), gradient in zip(scales.items(), found, strict=True):
            if gradient is None:
                continue
            if not bool(torch.isfinite(gradient).all()):
                message = f"the gradient of the scale of `{path}` is not finite (loss {float(loss)})"
                raise NonFiniteLossError(message)
            agrees = (scale.detach() * gradient) > 0
            self._sums[path] += gradient.double().abs() * agrees
            self._counts[path] += agrees

    def means(self) -> dict[str, torch.Tensor]:
        """Returns the means by path, 0 where the sign never agreed, [C] each."""
        return {path: total / self._counts[path].clamp(min=1) for path, total in self._sums.items()}


def _scales(network: nn.Module, paths: Collection[str]) -> Iterator[tuple[str, torch.Tensor]]:
    for path in paths:
        module = network.get_submodule(path)
        weight = getattr(module, "weight", None)
        if modes.is_normalization(module) and isinstance(weight, torch.Tensor):
            yield path, weight


def _run(network: nn.Module, batch: Batch, context: Context) -> None:
    context.loss(network, copy.deepcopy(batch))
