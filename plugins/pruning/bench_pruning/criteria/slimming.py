"""Network slimming: scales of normalisation that training has driven towards zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from mmengine.hooks import Hook

from bench_pruning.channels.modes import is_normalization
from bench_pruning.method import PruningMethod, Statistics
from harness.errors import UnsupportedOperationError
from harness.registry.method import State

if TYPE_CHECKING:
    from torch import nn
    from torch.utils.hooks import RemovableHandle

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.descriptors.slimming import SlimmingOptions
    from harness.registry.context import Context
    from harness.registry.method import Compression
    from harness.spec.setting import Setting

WEIGHTS = "weights."
"""Prefix of the sparse model's parameters and buffers in the state."""


class Slimming(PruningMethod):
    """|gamma| of normalisation, after training with `loss + sparsity * sum |gamma|`.

    All channels are ranked together, and exactly as many go as are asked for; the authors' code keeps what is strictly
    above a quantile, which removes more where scores are equal. Several normalisations of one channel are averaged,
    and channels that none scales stay.

    Source: Liu et al., Learning Efficient Convolutional Networks through Network Slimming (ICCV 2017), equation 1.
    """

    seed = "slimming"

    options: SlimmingOptions

    def prepare(self, model: nn.Module, context: Context) -> State:
        """Trains with the penalty, and returns the groups, their scores and the weights that were trained.

        Raises:
            NonFiniteLossError: The training diverged.
            UnsupportedOperationError: The model has no normalisation with a scale, or no channel can be removed.
            UserError: See `PruningMethod.prepare`.
        """
        if self.acting(context) is not self:  # which trains nothing
            return super().prepare(model, context)
        if not scales(model):
            message = f"{type(model).__name__} has no normalisation with a scale, which slimming ranks channels by"
            raise UnsupportedOperationError(message, "Use a criterion that needs none, such as l2 or taylor.")
        budget = context.budget
        if self.options.iterations is not None:
            budget = budget.model_copy(update={"iterations": self.options.iterations})
        iterations = context.train(model, budget, "sparse", [SparsityHook(self.options.sparsity)])
        state = super().prepare(model, context)
        weights = {WEIGHTS + name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        data = {**state.data, "sparse_iterations": iterations, "sparsity": self.options.sparsity}
        return State(tensors={**state.tensors, **weights}, data=data)

    def compress(self, model: nn.Module, setting: Setting | None, state: State, context: Context) -> Compression:
        """Returns the sparse model without the channels of smallest scale; see `PruningMethod.compress`."""
        if self.acting(context) is not self:
            return super().compress(model, setting, state, context)
        stored = {name: value for name, value in state.tensors.items() if name.startswith(WEIGHTS)}
        model.load_state_dict({name.removeprefix(WEIGHTS): value for name, value in stored.items()})
        found = super().compress(model, setting, state, context)
        found.details.update({name: state.data[name] for name in ("sparse_iterations", "sparsity")})
        return found

    def declines(self, group: BoundGroup) -> str:
        """Returns why a group has no score: no normalisation scales its channels."""
        return "" if group.slots("norm") else "no normalisation scales its channels"

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the mean |gamma| of each channel, [C]."""
        del statistics
        found = [(slot, group.tensor(slot).abs()) for slot in group.slots("norm")]
        sums = torch.stack([group.summed(slot, values) for slot, values in found]).sum(0)
        counts = torch.stack([group.summed(slot, torch.ones_like(values)) for slot, values in found]).sum(0)
        return sums / counts.clamp(min=1)


class SparsityHook(Hook):
    """Adds the subgradient `sparsity * sign(gamma)` of the penalty to every gradient of a scale.

    It is 0 at 0, and is added where a gradient arrives, before the optimiser sees it; with automatic mixed precision in
    the scale that the loss has then.

    Args:
        sparsity: lambda.
    """

    def __init__(self, sparsity: float) -> None:
        self._sparsity = sparsity
        self._handles: list[RemovableHandle] = []

    def before_train(self, runner: Any) -> None:
        """Watches the gradients of all scales."""

        def add(scale: nn.Parameter) -> None:
            scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
            factor = self._sparsity * (float(scaler.get_scale()) if scaler is not None else 1.0)
            if scale.grad is not None:
                scale.grad.add_(scale.detach().sign(), alpha=factor)

        for scale in scales(runner.model):
            if scale.requires_grad:
                self._handles.append(scale.register_post_accumulate_grad_hook(add))

    def after_train(self, runner: Any) -> None:
        """Leaves nothing behind."""
        del runner
        for handle in self._handles:
            handle.remove()
        self._handles.clear()


def scales(model: nn.Module) -> list[nn.Parameter]:
    """Returns the scales of all normalisations."""
    weights = (getattr(module, "weight", None) for module in model.modules() if is_normalization(module))
    return [weight for weight in weights if isinstance(weight, torch.nn.Parameter)]
