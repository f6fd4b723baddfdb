"""The network of all widths: trained at several of them at once, while its chains learn which widths are worth it.

Source: Guo et al., DMCP (CVPR 2020), sections 3.2 to 3.4; Yu and Huang, Universally Slimmable Networks (ICCV 2019), for
the training of the weights.
"""

from __future__ import annotations

import copy
import math
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional as F

from bench_pruning.dmcp.chain import split
from bench_pruning.dmcp.factors import Factors, multiplied, parts_by_layer
from bench_pruning.dmcp.penalty import cost_penalty, expected_cost
from harness.errors import NonFiniteLossError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from bench_pruning.channels.costs import CostModel
    from bench_pruning.channels.groups import ParameterSlot
    from bench_pruning.descriptors.dmcp import DMCPOptions
    from bench_pruning.dmcp.chain import Chain
    from harness.registry.task import Batch, Task

_STEP_OF_SCALES = 2**6

RANDOM_WIDTHS = 2
"""Networks of random widths in every step of the weights."""


class Supernet(nn.Module):
    """A network whose layers have all widths, and the parameters of their chains.

    It looks like a model of mmengine to a training loop. A layer of width c is one whose channels behind the c-th are
    multiplied by zero, behind its normalisation: what reads it sees what it would see of the narrow layer. Where a
    normalisation takes its statistics over channels (group and layer normalisation), these include the zeros, and the
    narrow network is an approximation. In the first half of the training only weights are trained, then weights and
    chains in turn. The chains' own arithmetic is done on the CPU.

    Args:
        network: Is trained in place.
        task: Its losses and outputs.
        chains: By name of a group, those that have more than one width.
        places: Behind which layers a group's channels are multiplied, by its name.
        costs: What the target is about.
        sizes: C of all groups, by name.
        target: The cost that is wanted.
        iterations: Steps of the whole training.
        options: Of the method.
        seed: Of the widths that are drawn.
        alpha: What the chains begin with, [sum K].

    Attributes:
        alpha: Parameters of all chains, behind each other, [sum K] in 64 bits.
        velocity: Their momentum.
        step: Steps that were taken.
    """

    alpha: torch.Tensor
    velocity: torch.Tensor
    step: torch.Tensor

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        *,
        chains: Mapping[str, Chain],
        places: Mapping[str, Sequence[ParameterSlot]],
        costs: CostModel,
        sizes: Mapping[str, int],
        target: float,
        iterations: int,
        options: DMCPOptions,
        seed: int,
        alpha: torch.Tensor,
    ) -> None:
        super().__init__()
        self.network = network
        # In the state, so that an interrupted training goes on with them; not trained by the training's own optimiser.
        self.register_buffer("alpha", alpha.double().clone())
        self.register_buffer("velocity", torch.zeros_like(alpha, dtype=torch.float64))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._task = task
        self._chains = dict(chains)
        self._parts = parts_by_layer({name: places[name] for name in chains})
        self._costs = costs
        self._fixed = {name: torch.tensor(float(size)) for name, size in sizes.items() if name not in chains}
        self._target = target
        self._iterations = iterations
        self._options = options
        self._seed = seed

    def train_step(self, data: Batch, optim_wrapper: Any) -> dict[str, torch.Tensor]:
        """Takes one step, of the weights or of the chains, and returns its `loss`.

        Args:
            data: A batch of the training loader.
            optim_wrapper: mmengine's, with the optimiser of the weights.
        """
        step = int(self.step)
        self.step += 1
        turn = step - self._iterations // 2
        if turn >= 0 and turn % 2 == 0 and len(self.alpha):
            return self._step_of_chains(data, optim_wrapper, turn / max(self._iterations - self._iterations // 2, 1))
        return self._step_of_weights(data, optim_wrapper, step)

    def require_trainable(self, data: Batch) -> None:
        """Raises now what the first step of the chains would raise, when half of the training is done.

        The network is left with other batch statistics; to be asked of a copy.

        Args:
            data: A batch of the training loader.

        Raises:
            NonFiniteLossError: The loss or a gradient is not finite.
            UnsupportedOperationError: Narrow networks cannot learn from the widest one's predictions.
        """
        if self._options.narrow_targets == "predictions":
            images = self._task.images(self.network, copy.deepcopy(data))
            self._class_maps(self._task.forward(self.network, images))
        self._gradient(copy.deepcopy(data), _WithoutScaling())

    def expected_cost(self, alpha: torch.Tensor) -> torch.Tensor:
        """Returns the cost of the network of expected widths, a scalar with its graph."""
        form = self._options.probability
        parts = zip(self._chains.items(), split(alpha, list(self._chains.values())), strict=True)
        widths = {name: chain.expected_width(part, form) for (name, chain), part in parts}
        return expected_cost(self._costs, {**self._fixed, **widths})

    def _step_of_weights(self, data: Batch, optim_wrapper: Any, step: int) -> dict[str, torch.Tensor]:
        """The sandwich rule: the widest network learns from labels, the narrowest and two random ones from it.

        What they learn from is one forward pass more, which the authors save: a task's loss does not give its outputs.
        """
        optim_wrapper.zero_grad()
        with optim_wrapper.optim_context(self):
            loss = self._task.loss(self.network, copy.deepcopy(data))  # preprocessing may pad labels in place
        optim_wrapper.backward(loss)
        teaching = self._teacher(data, optim_wrapper)
        for factors in self._narrow_networks(step):
            with optim_wrapper.optim_context(self), multiplied(self.network, self._parts, factors):
                narrow = teaching()
            optim_wrapper.backward(narrow)
        optim_wrapper.step()
        optim_wrapper.zero_grad()
        return {"loss": loss.detach()}

    def _step_of_chains(self, data: Batch, optim_wrapper: Any, progress: float) -> dict[str, torch.Tensor]:
        """One step of Nesterov's momentum on the loss of the network with soft gates and the penalty on its cost."""
        gradient, loss = self._gradient(data, optim_wrapper)
        gradient = gradient.to(self.alpha.device)
        rate = learning_rate(progress, self._options.lr, self._options.final_lr)
        self.velocity.mul_(self._options.momentum).add_(gradient)
        self.alpha.sub_(rate * (gradient + self._options.momentum * self.velocity))
        return {"loss": loss}

    def _gradient(self, data: Batch, optim_wrapper: Any) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the gradient of loss and penalty by the chains' parameters [sum K], on the CPU, and the loss.

        Raises:
            NonFiniteLossError: The loss or a gradient is not finite.
        """
        alpha = self.alpha.detach().cpu().clone().requires_grad_()
        parts = zip(self._chains.items(), split(alpha, list(self._chains.values())), strict=True)
        factors = {name: chain.gates(part, self._options.probability) for (name, chain), part in parts}
        with optim_wrapper.optim_context(self), multiplied(self.network, self._parts, factors):
            loss = self._task.loss(self.network, data)
        penalty = self._options.cost_weight * cost_penalty(self.expected_cost(alpha), self._target)
        of_loss = _unscaled_slope(loss, alpha, optim_wrapper)
        gradient = of_loss + _slope(penalty, alpha)
        if not bool(torch.isfinite(gradient).all() and torch.isfinite(loss)):
            message = f"the gradients of the widths are not finite at step {int(self.step)} (loss {loss.item()})"
            raise NonFiniteLossError(message)
        return gradient, loss.detach()

    def _narrow_networks(self, step: int) -> Iterator[Factors]:
        """Yields the narrowest network and two random ones, as masks.

        A random one has widths drawn uniformly with a probability that falls from 1 to 1/e over the training, else
        drawn from the chains.
        """
        yield {name: chain.mask(chain.widths[0]) for name, chain in self._chains.items()}
        generator = torch.Generator().manual_seed((self._seed + 1_000_003 * step) % 2**63)
        parts = split(self.alpha.detach().cpu(), list(self._chains.values()))
        for _ in range(RANDOM_WIDTHS):
            uniform = float(torch.rand((), generator=generator)) < math.exp(-step / self._iterations)
            yield {
                name: chain.mask(
                    chain.draw_uniformly(generator)
                    if uniform
                    else chain.draw(part, generator, self._options.probability)
                )
                for (name, chain), part in zip(self._chains.items(), parts, strict=True)
            }

    def _teacher(self, data: Batch, optim_wrapper: Any) -> Callable[[], torch.Tensor]:
        """Returns what gives the loss of a narrow network, in the block that makes it narrow."""
        if self._options.narrow_targets == "labels":
            return lambda: self._task.loss(self.network, copy.deepcopy(data))
        images = self._task.images(self.network, data)
        with torch.no_grad(), optim_wrapper.optim_context(self):
            widest = [each.float() for each in self._class_maps(self._task.forward(self.network, images))]
        return lambda: divergence(self._class_maps(self._task.forward(self.network, images)), widest)

    def _class_maps(self, outputs: list[torch.Tensor]) -> list[torch.Tensor]:
        """Returns the outputs that are logits of classes.

        Raises:
            UnsupportedOperationError: There are none.
        """
        maps = self._task.class_maps(self.network, outputs)
        if not maps:
            message = f"{type(self.network).__name__} returns no class logits that narrow networks could learn from"
            raise UnsupportedOperationError(message, "Use dmcp(narrow_targets=labels).")
        return maps


def divergence(narrow: Sequence[torch.Tensor], widest: Sequence[torch.Tensor]) -> torch.Tensor:
    """Returns KL(widest || narrow) of the class distributions at each place, the mean over places, summed over outputs.

    Args:
        narrow: Logits [N, D, ...] of each output, with their graph.
        widest: The same of the widest network.
    """
    total = torch.zeros(())
    for student, teacher in zip(narrow, widest, strict=True):
        logs = F.log_softmax(student.float(), dim=1)
        each = F.kl_div(logs, F.log_softmax(teacher, dim=1), log_target=True, reduction="none").sum(dim=1)
        total = total.to(each.device) + each.mean()
    return total


def learning_rate(progress: float, first: float, last: float) -> float:
    """Returns the rate of the chains: from the first to the last along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * progress)) / 2


def _unscaled_slope(loss: torch.Tensor, alpha: torch.Tensor, optim_wrapper: Any) -> torch.Tensor:
    """Returns the loss's gradient; with automatic mixed precision taken of the scaled loss, so that small ones stay.

    A scale at which something overflows is lowered for this gradient, as an optimiser's step would be left out then.
    """
    scaler = getattr(optim_wrapper, "loss_scaler", None)
    if scaler is None:
        return _slope(loss, alpha)
    scale = float(scaler.get_scale())
    while True:
        gradient = _slope(scale * loss, alpha, keep=True) / scale
        if scale <= 1 or bool(torch.isfinite(gradient).all()):
            return gradient
        scale = max(scale / _STEP_OF_SCALES, 1.0)


def _slope(value: torch.Tensor, of: torch.Tensor, *, keep: bool = False) -> torch.Tensor:
    """Returns the gradient of a scalar, zeros if it does not hang on `of`."""
    (found,) = torch.autograd.grad(value, of, allow_unused=True, materialize_grads=True, retain_graph=keep)
    return found


class _WithoutScaling:
    """What stands for an optimiser where none takes a step."""

    def optim_context(self, model: nn.Module) -> AbstractContextManager[None]:
        """Changes nothing."""
        del model
        return nullcontext()
