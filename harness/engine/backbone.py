"""A backbone's weights from a checkpoint that may hold more, or less, than it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from harness.engine.checkpoint import load_checkpoint, state_dict_of
from harness.engine.key_report import KeyReport, compare
from harness.engine.weights import require_finite
from harness.errors import ShapeMismatchError, UserError

PREFIX = "backbone."


def load_backbone(network: nn.Module, path: Path, *, trusted: bool = False) -> KeyReport:
    """Loads what a checkpoint holds of the network's `backbone`, and says so in the stage's log.

    Of a whole network's checkpoint those names count that begin with `backbone.`. What the backbone lacks, such as an
    image classifier's last layer, is left out; what the checkpoint lacks stays as it was drawn.

    Args:
        network: Has a `backbone`.
        path: A checkpoint of it, or of a network around it.
        trusted: Whether unpickling it may run code; see `load_checkpoint`.

    Raises:
        UserError: The network has no backbone, the file is refused, or no name or number in it is of use.
        ShapeMismatchError: Weights of the same name have other shapes: it is another backbone.
    """
    backbone: Any = getattr(network, "backbone", None)
    if not isinstance(backbone, nn.Module):
        message = f"backbone_checkpoint {path}: {type(network).__name__} has no `backbone`"
        raise UserError(message, "Give a checkpoint of the whole model with --checkpoint.")
    given = _of_the_backbone(state_dict_of(load_checkpoint(path, trusted=trusted), str(path)))
    own: dict[str, Tensor] = backbone.state_dict()
    report = compare(own, given)
    logger = logging.getLogger("harness.stage")
    for line in (f"backbone_checkpoint {path}", *report.lines()):
        logger.info(line)
    summary = "; ".join(report.lines())
    if report.mismatched:
        message = f"backbone_checkpoint {path}: weights of other shapes: {summary}"
        raise ShapeMismatchError(message, "It is most likely of another backbone or width.")
    if not report.matched:
        message = f"backbone_checkpoint {path}: no name in it is one of the backbone's: {summary}"
        raise UserError(message, f"The backbone's names begin like {next(iter(own))}.")
    weights = {name: given[name] for name in report.matched}
    require_finite(backbone, weights, f"backbone_checkpoint {path}")
    backbone.load_state_dict(weights, strict=False)
    return report


def _of_the_backbone(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    inside = {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
    return inside or dict(weights)
