"""The Fisher information of masks that whole groups share."""

from __future__ import annotations

import copy
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import torch

from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.criteria.viewing import UNSEEN, best_views, intercepted, views_of
from bench_pruning.gates import channel_dimension
from bench_pruning.method import SCORES, PruningMethod, Statistics
from harness.errors import NonFiniteLossError, UnsupportedOperationError
from harness.registry.method import State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from torch import nn

    from bench_pruning.allocation import Allocation
    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.channels.costs import CostModel
    from bench_pruning.criteria.viewing import Place, Views
    from bench_pruning.demand import Demand
    from bench_pruning.descriptors.group_fisher import GroupFisherOptions
    from harness.registry.context import Context
    from harness.registry.task import Batch
    from harness.spec.setting import Setting

FISHER, ELEMENTS = "fisher.", "elements."
"""Prefixes of a group's statistics."""


class GroupFisher(PruningMethod):
    """The mean over samples of the squared gradient of one mask that all layers which read a group share.

    `s_c = 1/N sum_n u_nc^2` with `u_nc = dL_n/dm_nc = sum over readers, pixels of a dL_n/da`: what the readers add up
    to is squared. It is twice the second-order change of the loss when the channel goes, where the Fisher information
    stands for the Hessian and the network is at a minimum. Where no layer reads the group, masks stand behind the
    layers that make it.

    `per_saving` divides it by what goes with one channel of the group: `macs` of the whole network, layers that read
    the channel included, or `memory`, elements of the results of the convolutions and linear layers that make it.

    The paper removes the one channel with the lowest score every ten iterations of training, with scores of these
    iterations; here one pass over the calibration images at fixed weights scores all. Several passes with training
    between them (`steps`) come nearer. Gradients are taken in training mode.

    Source: Liu et al., Group Fisher Pruning for Practical Network Compression (ICML 2021), importance of
    coupled channels and its normalisation.
    """

    options: GroupFisherOptions

    def declines(self, group: BoundGroup) -> str:
        """Returns why a group has no score: there is no place for its mask."""
        return "" if views_of(group) else UNSEEN

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns the mean squared gradients [C] and the elements of one channel's maps, a scalar, of each group.

        Raises:
            NonFiniteLossError: A loss or gradient is not finite.
            UnsupportedOperationError: The loss hangs on no channel, or samples cannot be told apart.
        """
        network = copied(model)
        network.train()
        network.requires_grad_(False)
        devices = [context.device] if context.device.type == "cuda" else []
        sums: Statistics = {}
        samples = 0
        with restored_randomness(context.seed, devices):
            probe, first = copied(network), next(context.calibration_batches())
            with torch.no_grad():
                views = best_views(probe, groups, lambda: context.loss(probe, copy.deepcopy(first)))
                elements = _elements(probe, groups, lambda: context.loss(probe, copy.deepcopy(first)))
            for batch in context.calibration_batches():
                images = len(context.task.images(network, batch))
                samples += images
                for name, values in _squares(network, views, batch, images, context).items():
                    sums[name] = sums.get(name, torch.zeros_like(values)) + values
        return {
            **{FISHER + name: values / samples for name, values in sums.items()},
            **{ELEMENTS + name: torch.tensor(float(count)) for name, count in elements.items()},
        }

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the mean squared gradient of each channel, [C] in 64 bits; for each element with `memory`."""
        fisher = statistics[FISHER + group.name]
        return fisher / statistics[ELEMENTS + group.name] if self.options.per_saving == "memory" else fisher

    def choose(self, setting: Setting | None, state: State, demand: Demand, context: Context) -> Allocation:
        """Returns which channels stay, by the score for each MAC that goes where `per_saving` says so."""
        if self.options.per_saving == "macs":
            saved = channel_savings(demand.costs["macs"], demand.sizes)
            scores = {SCORES + name: state.tensors[SCORES + name] / macs for name, macs in saved.items()}
            state = State(tensors={**state.tensors, **scores}, data=state.data)
        return super().choose(setting, state, demand, context)


def channel_savings(costs: CostModel, sizes: Mapping[str, int]) -> dict[str, int]:
    """Returns what the whole network costs less without one channel of each group, the others whole; 1 at least."""
    dense = costs.count(sizes)
    return {name: max(dense - costs.count({**sizes, name: size - 1}), 1) for name, size in sizes.items()}


def _squares(
    network: nn.Module, views: Mapping[str, Views], batch: Batch, images: int, context: Context
) -> dict[str, torch.Tensor]:
    """Returns the sum over a batch's images of the squared gradients of each group's mask, [C] in 64 bits.

    Raises:
        NonFiniteLossError: The loss or a gradient is not finite.
        UnsupportedOperationError: The loss hangs on no mask, or the rows of a layer cannot be told apart by image.
    """
    masks = _Masks()
    with intercepted(network, {place for own in views.values() for place in own}, masks.multiply):
        loss = context.loss(network, batch)
    gradients = masks.gradients(loss)
    squares = {}
    for name, own in views.items():
        total: torch.Tensor | float = 0.0
        for place, indices in own.items():
            for found in gradients[place]:
                if len(found) % images:
                    message = f"`{place.path}` runs on {len(found)} rows of {images} images, which cannot be told apart"
                    raise UnsupportedOperationError(message, f"Protect `{name}`, or use taylor(variant=gate).")
                rows = found[:, torch.tensor(indices, device=found.device)].double().sum(2)
                total = total + rows.view(images, -1, rows.shape[1]).sum(1)  # windows and tokens lie image by image
        size = len(next(iter(own.values())))
        # The loss is the mean over the batch; each image's own gradient is N times its part.
        part = total if isinstance(total, torch.Tensor) else torch.zeros(1, size, dtype=torch.float64)
        squares[name] = (part * images).square().sum(0).cpu()
        if not bool(torch.isfinite(squares[name]).all()):
            message = f"the gradients of the mask of `{name}` are not finite"
            raise NonFiniteLossError(message)
    return squares


class _Masks:
    """Masks of one, for each row and channel of each call of a layer."""

    def __init__(self) -> None:
        self._masks: defaultdict[Place, list[torch.Tensor]] = defaultdict(list)

    def multiply(self, place: Place, layer: nn.Module, tensor: torch.Tensor) -> torch.Tensor | None:
        """Returns what a layer reads or has made, with a mask."""
        if not torch.is_grad_enabled():
            return None
        dim = channel_dimension(layer, tensor)
        mask = torch.ones(len(tensor), tensor.shape[dim], dtype=tensor.dtype, device=tensor.device, requires_grad=True)
        self._masks[place].append(mask)
        shape = [1] * tensor.dim()
        shape[0], shape[dim] = mask.shape
        return tensor * mask.view(shape)

    def gradients(self, loss: torch.Tensor) -> dict[Place, list[torch.Tensor]]:
        """Returns the loss's gradients, [N, W] for each call, those left out that it does not hang on.

        Raises:
            NonFiniteLossError: The loss is not finite.
            UnsupportedOperationError: It hangs on nothing.
        """
        if not bool(torch.isfinite(loss)):
            message = f"the loss of a calibration batch is {float(loss.detach())}"
            raise NonFiniteLossError(message)
        if not loss.requires_grad:
            message = "the training loss hangs on no channel of the network"
            hint = "Gradients are cut off on the way; use a criterion that needs none."
            raise UnsupportedOperationError(message, hint)
        places = [place for place, masks in self._masks.items() for _ in masks]
        masks = [mask for masks in self._masks.values() for mask in masks]
        found: defaultdict[Place, list[torch.Tensor]] = defaultdict(list)
        for place, gradient in zip(places, torch.autograd.grad(loss, masks, allow_unused=True), strict=True):
            if gradient is not None:
                found[place].append(gradient)
        return found


def _elements(network: nn.Module, groups: Sequence[BoundGroup], run: Callable[[], object]) -> dict[str, int]:
    """Returns how many elements one channel of each group has in the results of the layers that make it; 1 at least."""
    made = {
        group.name: {place: own for place, own in views_of(group).items() if not place.incoming} for group in groups
    }
    elements: Counter[Place] = Counter()

    def count(place: Place, layer: nn.Module, tensor: torch.Tensor) -> None:
        elements[place] += tensor.numel() // tensor.shape[channel_dimension(layer, tensor)]

    with intercepted(network, {place for own in made.values() for place in own}, count):
        run()
    return {
        name: max(sum(elements[place] * len(indices[0]) for place, indices in own.items()), 1)
        for name, own in made.items()
    }
