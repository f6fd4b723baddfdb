"""A backbone's weights from a checkpoint that may hold more, or less, than it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from harness.engine.checkpoint import load_checkpoint, state_dict_of
from harness.engine.foreign_names import under_own_names
from harness.engine.key_report import KeyReport, compare
from harness.engine.weights import require_finite
from harness.errors import ShapeMismatchError, UserError
from harness.registry import ModelDescriptor

PREFIX = "backbone."


def load_backbone(network: nn.Module, path: Path, descriptor: ModelDescriptor, *, trusted: bool = False) -> KeyReport:
    """Loads what a checkpoint holds of the network's `backbone`, and says so in the stage's log.

    Of a whole network's checkpoint those names count that begin with `backbone.`, or do so under the network's own
    names; see `under_own_names`. What the backbone lacks, such as an image classifier's last layer, is left out; what
    the checkpoint lacks stays as it was drawn.

    Args:
        network: Has a `backbone`.
        path: A checkpoint of it, or of a network around it.
        descriptor: That of the model.
        trusted: Whether unpickling it may run code; see `load_checkpoint`.

    Raises:
        UserError: The network has no backbone, the file is refused, or no name or number in it is of use.
        ShapeMismatchError: Weights of the same name have other shapes: it is another backbone.
    """
    backbone: Any = getattr(network, "backbone", None)
    if not isinstance(backbone, nn.Module):
        message = f"backbone_checkpoint {path}: {type(network).__name__} has no `backbone`"
        raise UserError(message, "Give a checkpoint of the whole model with --checkpoint.")
    weights = state_dict_of(load_checkpoint(path, trusted=trusted), str(path))
    own: dict[str, Tensor] = backbone.state_dict()
    given, renamed = _of_the_backbone(network, own, weights, descriptor)
    report = replace(compare(own, given), renamed=renamed)
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
    fitting = {name: given[name] for name in report.matched}
    require_finite(backbone, fitting, f"backbone_checkpoint {path}")
    backbone.load_state_dict(fitting, strict=False)
    return report


def _of_the_backbone(
    network: nn.Module, own: Mapping[str, Tensor], weights: Mapping[str, Tensor], descriptor: ModelDescriptor
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Returns the weights by the backbone's names, and which were renamed.

    A name may be the backbone's and a foreign one of something else, so that the reading with more names that the
    backbone has is taken.
    """
    plain = _inside(weights) or dict(weights)
    named = under_own_names(network.state_dict(), weights, descriptor)
    counters = named.report.counters  # the network's own, not the file's
    foreign = _inside({name: value for name, value in named.weights.items() if name not in counters})
    if len(own.keys() & foreign.keys()) <= len(own.keys() & plain.keys()):
        return plain, ()
    return foreign, tuple(line for line in named.report.renamed if f" -> {PREFIX}" in line)


def _inside(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}
