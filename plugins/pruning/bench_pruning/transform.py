"""Rebuilds a pruned model from an artifact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench_pruning.channels import surgery
from harness.registry.method import Transform

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn


class PruneTransform(Transform):
    """Replays a surgery; needs neither tracing nor data."""

    def apply(self, model: nn.Module, payload: Mapping[str, Any]) -> nn.Module:
        """Returns `model` with the channels removed.

        Args:
            model: A freshly built dense model.
            payload: A recipe, see `bench_pruning.channels.recipe`.

        Raises:
            ShapeMismatchError: The recipe does not fit the model.
        """
        surgery.apply(model, payload)
        return model
