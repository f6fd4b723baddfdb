"""The raw scores of protocol `seed`, by the name of the method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from bench_pruning.first_vss.gradients import fgp, taylor
from bench_pruning.first_vss.maps import sirfp
from bench_pruning.first_vss.weights import fpgm, l1, l2, random, slimming
from harness.errors import NonFiniteLossError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import nn

    from harness.registry.context import Context

RawScores = dict[str, torch.Tensor]
"""Scores [C] by the path of a convolution, in the order of the modules; high = keep."""

SCORES: Mapping[str, Callable[[nn.Module, Context], RawScores]] = {
    "taylor": taylor,
    "slimming": slimming,
    "fpgm": fpgm,
    "l1": l1,
    "l2": l2,
    "random": random,
    "fgp": fgp,
    "sirfp": sirfp,
}


def raw_scores(name: str, model: nn.Module, context: Context) -> RawScores:
    """Returns what the first VSS benchmark thought of each convolution's channels, on the CPU.

    Args:
        name: A key of `SCORES`.
        model: The network; it stays as it is.
        context: Gives the noise, the seed and the classes.

    Raises:
        NonFiniteLossError: A score is not finite.
        UnsupportedOperationError: The method needs gradients or logits that the network does not have.
    """
    found = {path: scores.detach().cpu() for path, scores in SCORES[name](model, context).items()}
    for path, scores in found.items():
        if not bool(torch.isfinite(scores).all()):
            message = f"scores of `{path}` are not finite: noise alone drives the network out of range"
            raise NonFiniteLossError(message, "Use protocol corrected, whose scores come from images.")
    return found
