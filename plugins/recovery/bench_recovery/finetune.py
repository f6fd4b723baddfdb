"""Fine-tuning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.registry.descriptors import Options
from harness.registry.method import Recovery, TrainingRecipe

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.context import Context


class Finetune(Recovery[Options]):
    """The plain training: the task's loss, from the compressed model's weights."""

    def recipe(self, model: nn.Module, context: Context) -> TrainingRecipe:
        """Returns a recipe that adds nothing to the training."""
        del model, context
        return TrainingRecipe()
