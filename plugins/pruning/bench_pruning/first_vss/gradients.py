"""Scores that the first VSS benchmark took from gradients of noise, [C] by path of the convolution."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from bench_pruning.criteria.feature_maps import observed
from bench_pruning.first_vss.convolutions import following_normalizations, scored_convolutions
from bench_pruning.first_vss.noise import in_training_mode
from harness.errors import UnsupportedOperationError

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.context import Context

FGP_CLASSES = 10
"""How many classes `fgp` takes every data set to have: it looks at the first ten, and leaves out convolutions with ten
output channels instead of those with as many as there are classes."""

MEAN_WEIGHT, LEAST_WEIGHT = 0.7, 0.3
"""What the mean and the minimum over the classes count for."""


def taylor(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns `|gamma dL/dgamma|` of the normalisation behind each convolution; L is the mean of the squared logits.

    Convolutions without a normalisation have no score. One of another width, without a scale, or that L does not hang
    on (of an auxiliary head), gives zeros.

    Raises:
        UnsupportedOperationError: The logits hang on no scale.
    """
    with in_training_mode(model, context) as (network, images):
        normalizations = following_normalizations(network)
        scales = {path: layer.weight for path, layer in normalizations.items() if layer.weight is not None}
        for scale in scales.values():
            scale.requires_grad_(True)
        loss = context.task.predict(network, images).square().mean()
        _require_gradients(loss)
        gradients = torch.autograd.grad(loss, list(scales.values()), allow_unused=True)
    products = {
        path: (scale.detach() * gradient).abs()
        for (path, scale), gradient in zip(scales.items(), gradients, strict=True)
        if gradient is not None
    }
    found = {}
    for path, layer in scored_convolutions(model, len(context.meta.classes)).items():
        if path in normalizations:
            zeros = torch.zeros(layer.out_channels)
            product = products.get(path, zeros)
            found[path] = product if len(product) == layer.out_channels else zeros
    return found


def fgp(model: nn.Module, context: Context) -> dict[str, torch.Tensor]:
    """Returns `.7 mean_c + .3 min_c` of `|F_c G_c|` over the first ten classes c.

    F is the mean over pixels of what the convolution makes of the image and G that of its gradient, by the cross
    entropy between class c and the spatial mean of the logits. Convolutions that the logits do not hang on have no
    score.

    In front of batch normalisation G is zero but for rounding: a constant that is added to a channel makes no
    difference behind it. Such convolutions are ranked by rounding errors, below all that nothing normalises.

    Raises:
        UnsupportedOperationError: The outputs are no logits of pixels, or hang on no convolution.
    """
    features: dict[str, torch.Tensor] = {}
    gradients: dict[str, torch.Tensor] = {}

    def visit(path: str, layer: nn.Module, output: torch.Tensor) -> None:
        del layer
        features[path] = output.detach().mean((0, 2, 3))
        if output.requires_grad:
            output.register_hook(lambda gradient: note(path, gradient))  # type: ignore[no-untyped-call]

    def note(path: str, gradient: torch.Tensor) -> None:
        gradients[path] = gradient.mean((0, 2, 3))

    products: defaultdict[str, list[torch.Tensor]] = defaultdict(list)
    paths = scored_convolutions(model, FGP_CLASSES)
    with in_training_mode(model, context) as (network, images):
        images.requires_grad_()
        with observed(network, paths, visit):
            logits = context.task.predict(network, images)
        if logits.dim() != 4:  # noqa: PLR2004 - [N, classes, H, W]
            message = f"the network predicts {list(logits.shape)}, where protocol seed needs logits [N, classes, H, W]"
            raise UnsupportedOperationError(message, "Use protocol corrected, or another criterion.")
        _require_gradients(logits)
        for number in range(min(FGP_CLASSES, logits.shape[1])):
            target = torch.full((len(logits),), number, device=logits.device)
            # The sum gives each image the gradient that it has alone.
            loss = F.cross_entropy(logits.mean((2, 3)), target, reduction="sum")
            loss.backward(retain_graph=True)  # type: ignore[no-untyped-call]
            for path, gradient in gradients.items():
                products[path].append((features[path] * gradient).abs())
    stacked = {path: torch.stack(products[path]) for path in paths if path in products}
    return {path: MEAN_WEIGHT * found.mean(0) + LEAST_WEIGHT * found.amin(0) for path, found in stacked.items()}


def _require_gradients(value: torch.Tensor) -> None:
    if not value.requires_grad:
        message = "the logits hang on no scale of a normalisation, or on no convolution, that could be scored"
        raise UnsupportedOperationError(message, "Use a criterion without gradients, such as l2.")
