"""First-order Taylor expansion of the loss."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch

from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.gates import gated
from bench_pruning.method import PruningMethod, Statistics
from bench_pruning.places import MAKING, gate_places
from harness.errors import NonFiniteLossError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.channels.groups import ParameterSlot
    from bench_pruning.descriptors.taylor import TaylorOptions
    from bench_pruning.places import Places
    from harness.registry.context import Context
    from harness.registry.task import Batch

Worth = dict[str, torch.Tensor]
"""A batch's part of each group's score, [C]."""


class Taylor(PruningMethod):
    """The squared first-order change of the loss if a channel is zeroed, by gates behind its normalisation.

    * `gate`: `(sum_n dL/dz_nc)^2` of gates z = 1, L the mean loss of a mini-batch (the paper's Taylor FO with gates,
      the best of its variants). Where no normalisation follows, or not alone, the gate stands behind the layer itself;
      for a layer that is not called as a module it is `sum w dL/dw` over its weights and biases, which is equal.
    * `bn`: the same from `gamma dL/dgamma + beta dL/dbeta` of the normalisation's parameters, which is equal to the
      gate's gradient; a group without them is refused.
    * `per_sample`: `sum_n (dL_n/dz_nc)^2 / N`, of the loss of each sample (the paper's full gradient).
    * `weight`: `sum_k (w_ck dL/dw_ck)^2` over the weights that make the channel, squared inside the sum.

    Mini-batches (images, for `per_sample`) are averaged. All layers that share a channel have one gate: what its
    members contribute is added before it is squared. The network is in training mode, as in the paper.

    Source: Molchanov et al., Importance Estimation for Neural Network Pruning (CVPR 2019), equations 5 to 8.
    """

    seed = "taylor"

    options: TaylorOptions

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns each group's scores, [C] in 64 bits, averaged over the calibration images.

        Raises:
            NonFiniteLossError: A loss or gradient is not finite.
            UnsupportedOperationError: The loss hangs on no channel, or the variant does not fit the model.
        """
        measure = self._measure(model, groups, context)
        sums: Statistics = {}
        count = 0
        with restored_randomness(context.seed):
            for batch in context.calibration_batches():
                worth, weight = measure(batch)
                for name, values in worth.items():
                    if not bool(torch.isfinite(values).all()):
                        message = f"the gradients of `{name}` are not finite for calibration batch {count + 1}"
                        raise NonFiniteLossError(message)
                    sums[name] = sums.get(name, torch.zeros_like(values)) + values
                count += weight
        return {name: values / count for name, values in sums.items()}

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the mean squared change of the loss, [C]."""
        return statistics[group.name]

    def _measure(
        self, model: nn.Module, groups: Sequence[BoundGroup], context: Context
    ) -> Callable[[Batch], tuple[Worth, int]]:
        """Returns what measures one batch: each group's sum, and how many terms it has."""
        network = copied(model)
        network.train()
        network.requires_grad_(False)
        if self.options.variant == "weight":
            return lambda batch: (_of_weights(network, groups, batch, context), 1)
        if self.options.variant == "bn":
            return lambda batch: (_of_normalization(network, groups, batch, context), 1)

        per_sample = self.options.variant == "per_sample"

        def by_gates(batch: Batch) -> tuple[Worth, int]:
            with gated(network, paths) as gates:
                products = _products(network, weights, batch, context)
            worth, images = {}, 1
            for group in groups:
                calls = [(slot, call) for slot in places.behind[group.name] for call in gates.gradients(slot.module)]
                images = max([images, *(len(call) for _, call in calls)]) if per_sample else 1
                parts = [group.summed(slot, call.double()) for slot, call in calls]
                # A factor of what a layer makes is one of its weights and biases.
                parts += [
                    group.rows_of(slot, products[slot.tensor]).sum(1)[None] for slot in weights.get(group.name, ())
                ]
                worth[group.name] = _square(parts, group, per_sample=per_sample)
            return worth, images

        first = next(context.calibration_batches())
        chosen = [group.group for group in groups]
        places = gate_places(copied(network), chosen, lambda probe: context.loss(probe, copy.deepcopy(first)))
        if per_sample:
            _require_called(places)
        paths = {slot.module for slots in places.behind.values() for slot in slots}
        weights = {group.name: _making_slots(group, places) for group in groups if group.name in places.uncalled}
        return by_gates


def _require_called(places: Places) -> None:
    """Raises if a layer has weights alone, whose gradients are sums over the samples.

    Raises:
        UnsupportedOperationError: It is not called as a module.
    """
    for name, slots in places.uncalled.items():
        message = (
            f"`{slots[0].module}`, which makes channels of `{name}`, is not called, so that no gate can be behind it"
        )
        raise UnsupportedOperationError(message, "Use variant=gate, which takes its weights then, or protect it.")


def _making_slots(group: BoundGroup, places: Places) -> list[ParameterSlot]:
    """Returns the weights and biases of a group's layers that are not called as modules."""
    paths = {slot.module for slot in places.uncalled[group.name]}
    parameters = dict(group.model.named_parameters(remove_duplicate=False))
    making = [slot for slot in group.group.slots if slot.module in paths and slot.role in MAKING]
    return [slot for slot in making if slot.tensor in parameters]


def _square(parts: list[torch.Tensor], group: BoundGroup, *, per_sample: bool) -> torch.Tensor:
    """Returns the squared sum of the gradients [N, C] of all calls; per sample, the sum of squares of all samples.

    Raises:
        UnsupportedOperationError: Layers run on other numbers of maps than there are samples.
    """
    if not parts:
        return torch.zeros(group.size, dtype=torch.float64)
    if not per_sample:
        return sum(part.sum(0) for part in parts).square()  # type: ignore[union-attr]
    sizes = {len(part) for part in parts}
    if len(sizes) > 1:
        message = f"layers of `{group.name}` run on {sorted(sizes)} maps, which cannot be told apart by image"
        raise UnsupportedOperationError(message, "Use variant=gate, or protect the group.")
    # The loss is the mean over the batch; each sample's own gradient is N times its part.
    whole: torch.Tensor = sum(parts) * len(parts[0])  # type: ignore[assignment]
    return whole.square().sum(0)


def _of_weights(network: nn.Module, groups: Sequence[BoundGroup], batch: Batch, context: Context) -> Worth:
    """Returns the sum of the squares of weight times gradient, over all weights that make a channel."""
    slots = {group.name: [*group.slots("producer"), *group.slots("depthwise")] for group in groups}
    products = _products(network, slots, batch, context)
    return {
        group.name: sum(
            (group.rows_of(slot, products[slot.tensor]).square().sum(1) for slot in slots[group.name]),
            start=torch.zeros(group.size, dtype=torch.float64, device=context.device),
        )
        for group in groups
    }


def _of_normalization(network: nn.Module, groups: Sequence[BoundGroup], batch: Batch, context: Context) -> Worth:
    """Returns the square of scale times gradient plus shift times gradient, added over all members.

    Raises:
        UnsupportedOperationError: A group has no normalisation with a scale.
    """
    slots = {group.name: [*group.slots("norm"), *group.slots("norm", "bias")] for group in groups}
    for group in groups:
        if not group.slots("norm"):
            message = f"no normalisation scales the channels of `{group.name}`"
            raise UnsupportedOperationError(message, "Use variant=gate, or protect the group.")
    products = _products(network, slots, batch, context)
    return {
        group.name: sum(
            (group.rows_of(slot, products[slot.tensor]).sum(1) for slot in slots[group.name]),
            start=torch.zeros(group.size, dtype=torch.float64, device=context.device),
        ).square()
        for group in groups
    }


class _Products:
    """Parameter times gradient of slots' parameters, each made when it is asked for: together they are a model more.

    Args:
        parameters: By name, with their gradients.
    """

    def __init__(self, parameters: dict[str, nn.Parameter]) -> None:
        self._parameters = parameters

    def __getitem__(self, name: str) -> torch.Tensor:
        """Returns the product in 64 bits; 0 where the loss does not hang on the parameter."""
        value = self._parameters[name]
        if value.grad is None:
            return torch.zeros_like(value, dtype=torch.float64)
        return (value * value.grad).detach().double()


def _products(network: nn.Module, slots: dict[str, list[ParameterSlot]], batch: Batch, context: Context) -> _Products:
    """Returns the products of every slot's parameter with its gradient for a batch, until the next one."""
    parameters = {slot.tensor: network.get_parameter(slot.tensor) for of in slots.values() for slot in of}
    for parameter in parameters.values():
        parameter.requires_grad_(True)
        parameter.grad = None
    _backward(network, batch, context)
    return _Products(parameters)


def _backward(network: nn.Module, batch: Batch, context: Context) -> None:
    """Runs the loss of a batch and its gradients.

    Raises:
        NonFiniteLossError: The loss is not finite.
        UnsupportedOperationError: The loss hangs on nothing that is measured.
    """
    loss = context.loss(network, batch)
    if not bool(torch.isfinite(loss)):
        message = f"the loss of a calibration batch is {float(loss)}"
        raise NonFiniteLossError(message)
    if not loss.requires_grad:
        message = "the training loss hangs on no channel of the network"
        raise UnsupportedOperationError(message, "Gradients are cut off on the way; use a criterion that needs none.")
    loss.backward()  # type: ignore[no-untyped-call]
