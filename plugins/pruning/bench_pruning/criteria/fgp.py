"""Feature-gradient pruning."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import torch

from bench_pruning.channels import modes
from bench_pruning.channels.copying import copied, restored_randomness
from bench_pruning.criteria.feature_maps import maps_of, members_mean, observed
from bench_pruning.criteria.support import class_support, class_targets, shares, tail_shares
from bench_pruning.method import PruningMethod, Statistics
from harness.errors import NonFiniteLossError, UnsupportedOperationError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from torch import nn

    from bench_pruning.channels.bound import BoundGroup
    from bench_pruning.descriptors.fgp import FGPOptions, SupportOptions
    from harness.registry.context import Context


class ClassSupport(PruningMethod):
    """The support that a channel gives to the predicted classes: mean over pixels, classes and images of relu(G * F).

    F is what a convolution or linear layer makes, before normalisation, and G the gradient of the sum of a class's
    logits over the pixels predicted as it. In each layer the paper keeps the smallest set of channels whose share of
    the layer's support is at least T.

    What differs from the authors: support is kept in 64 bits, not as images of 8 bits; layers that share channels have
    the mean of their shares; and a layer without support (an auxiliary head, which predicts nothing) has no shares, so
    that no threshold removes its channels. Of a network with a single logit, all pixels count.

    Source: Lv et al., FGP: Feature-Gradient-Prune for Efficient Convolutional Layer Pruning (arXiv 2411.12781).
    """

    options: SupportOptions

    def collect(self, model: nn.Module, groups: Sequence[BoundGroup], context: Context) -> Statistics:
        """Returns the support value of each layer's channels by its path, [W].

        Raises:
            NonFiniteLossError: A gradient is not finite.
            UnsupportedOperationError: The network predicts no class scores, or they hang on none of its layers.
        """
        network = copied(model)
        modes.set_inference(network)
        network.requires_grad_(False)
        paths = {path for group in groups for path in group.group.layers}
        devices = [context.device] if context.device.type == "cuda" else []
        with restored_randomness(context.seed, devices), modes.unfused():
            support = self._support(network, paths, context)
        if not support:
            message = "the predicted classes hang on no channel of the network"
            raise UnsupportedOperationError(message, "Gradients are cut off on the way; use a criterion without them.")
        for path, values in support.items():
            if not bool(torch.isfinite(values).all()):
                message = f"the gradients of the predicted classes are not finite in `{path}`"
                raise NonFiniteLossError(message)
        return support

    def shares(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns the share of the support that each channel of a group has, the mean over its layers, [C].

        Layers without support do not count; zeros if none has any.
        """
        found = {path: shares(statistics[path].cpu()) for path in group.group.layers if path in statistics}
        return members_mean(group, {path: part for path, part in found.items() if bool(part.any())})

    def _support(self, network: nn.Module, paths: Collection[str], context: Context) -> Statistics:
        """Returns the mean over classes and maps of the layers' support, [W] by path."""
        sums: Statistics = {}
        maps_seen: Counter[str] = Counter()

        def visit(path: str, layer: nn.Module, output: torch.Tensor) -> None:
            maps_seen[path] += len(maps_of(layer, output))
            if output.requires_grad:
                features = output.detach().clone()  # an activation may work in place
                output.register_hook(  # type: ignore[no-untyped-call]
                    lambda gradient: add(path, maps_of(layer, features), maps_of(layer, gradient))
                )

        def add(path: str, features: torch.Tensor, gradients: torch.Tensor) -> None:
            values = class_support(features, gradients, self.options.weighting).sum(dim=0)
            sums[path] = sums[path] + values if path in sums else values

        classes = 1
        for batch in context.calibration_batches():
            images = context.task.images(network, batch).detach().requires_grad_()
            with observed(network, paths, visit):
                logits = context.task.predict(network, images)
            classes = _class_count(logits)
            targets = class_targets(logits)
            for target in targets if logits.requires_grad else ():
                target.backward(retain_graph=target is not targets[-1])  # type: ignore[no-untyped-call]
                images.grad = None
        return {path: values / (classes * maps_seen[path]) for path, values in sums.items()}


class FGP(ClassSupport):
    """Support with a ratio: it removes what one threshold T for all layers removes, the T that meets the ratio.

    In the paper T is given, and how many channels stay is an outcome; so it is in `fgp_threshold`. Here a channel's
    score is the largest 1 - T for which it stays, and channels are ranked by it over all layers (`allocation=global`).
    With `allocation=uniform` each layer loses its channels of least support. In layers without support all scores
    are 1.

    Source: as `ClassSupport`.
    """

    seed = "fgp"

    options: FGPOptions

    def score(self, group: BoundGroup, statistics: Statistics) -> torch.Tensor:
        """Returns 1 - T for the largest threshold T below which a channel goes, [C]."""
        return tail_shares(self.shares(group, statistics))


def _class_count(logits: Any) -> int:
    """Returns D.

    Raises:
        UnsupportedOperationError: The prediction has no pixels with class scores.
    """
    if not isinstance(logits, torch.Tensor) or logits.dim() < 3 or not logits.is_floating_point():
        found = list(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
        message = f"FGP needs logits [N, classes, H, W], but the task predicts {found}"
        raise UnsupportedOperationError(message, "Use a criterion that needs no classes of pixels.")
    return int(logits.shape[1])
