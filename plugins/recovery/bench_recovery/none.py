"""No recovery at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.errors import PluginError
from harness.registry.descriptors import Options
from harness.registry.method import Recovery, TrainingRecipe

if TYPE_CHECKING:
    from torch import nn

    from harness.registry.context import Context


class NoRecovery(Recovery[Options]):
    """Written `+none`; its descriptor says `trains=False`, so that no training is planned."""

    def recipe(self, model: nn.Module, context: Context) -> TrainingRecipe:
        """Raises, because a training under this name would be a wrong result.

        Raises:
            PluginError: Always.
        """
        del model, context
        message = "the recovery 'none' was asked for a training recipe, but it does not train"
        raise PluginError(message, "The planner must draw no recover stage for it (trains=False).")
