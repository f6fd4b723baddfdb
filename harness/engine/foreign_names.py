"""A whole network's weights under the names of somebody else's code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from harness.engine.key_report import KeyReport, compare
from harness.registry import ModelDescriptor

_COUNTER = ".num_batches_tracked"


@dataclass(frozen=True)
class OwnNames:
    """Weights under the network's own names, as far as they could be told.

    Attributes:
        weights: By name.
        report: What became of each name.
    """

    weights: dict[str, Tensor]
    report: KeyReport


def under_own_names(own: Mapping[str, Tensor], given: Mapping[str, Tensor], descriptor: ModelDescriptor) -> OwnNames:
    """Renames what the network does not have by what its plugin says of published checkpoints.

    A first part that all names share and the network does not know, such as `model.` of a wrapper, is taken off. Names
    that are the network's stay as they are; for others the longest prefix of `ModelDescriptor.foreign_names` counts. No
    value and no shape is looked at: whether the weights fit is for the caller to say.

    Args:
        own: The network's `state_dict()`.
        given: The checkpoint's.
        descriptor: That of the model.
    """
    weights: dict[str, Tensor] = {}
    renamed: list[str] = []
    left_out: list[str] = []
    cut = _wrapper(own, given, descriptor.foreign_names)
    named = {name: name.removeprefix(cut) for name in given}
    kept = {name for name in named.values() if name in own}
    for theirs, name in named.items():
        ours = name if name in own else _renamed(name, descriptor.foreign_names)
        if ours in own and (ours == name or ours not in kept):
            kept.add(ours)
            weights[ours] = given[theirs]
            if ours != theirs:
                renamed.append(f"{theirs} -> {ours}")
        elif _serves_training(ours, own, descriptor.training_parts):
            left_out.append(theirs)
        else:
            weights[theirs] = given[theirs]
    counters = [name for name in own if name.endswith(_COUNTER) and name not in weights]
    weights.update({name: own[name] for name in counters})
    report = compare(own, weights)
    found = replace(report, renamed=tuple(renamed), left_out=tuple(left_out), counters=tuple(counters))
    return OwnNames(weights, found)


def _wrapper(own: Mapping[str, Tensor], given: Mapping[str, Tensor], foreign: Mapping[str, str]) -> str:
    """Returns what stands in front of all names of the checkpoint and of none that are known, at any depth."""
    cut, names, known = "", list(given), [*own, *foreign]
    while names:
        first = names[0].partition(".")[0] + "."
        if any(name.startswith(first) for name in known) or not all(name.startswith(first) for name in names):
            break
        cut += first
        names = [name.removeprefix(first) for name in names]
    return cut


def _renamed(name: str, foreign: Mapping[str, str]) -> str:
    prefix = max((known for known in foreign if name.startswith(known)), key=len, default=None)
    return name if prefix is None else foreign[prefix] + name.removeprefix(prefix)


def _serves_training(name: str, own: Mapping[str, Tensor], parts: tuple[str, ...]) -> bool:
    return any(name.startswith(part) and not any(known.startswith(part) for known in own) for part in parts)
