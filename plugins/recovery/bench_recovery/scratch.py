"""Training from scratch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.registry.descriptors import Options
from harness.registry.method import Recovery, TrainingRecipe

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.context import Context


class Scratch(Recovery[Options]):
    """Drops the inherited weights and keeps the shape.

    The control of Liu et al., Rethinking the Value of Network Pruning (2019): if it does as well as
    fine-tuning, the criterion found an architecture and not the important weights.
    """

    def recipe(self, model: nn.Module, context: Context) -> TrainingRecipe:
        """Returns a recipe that starts from fresh weights."""
        del model, context
        return TrainingRecipe(reinitialize=True)
