"""Which names of a checkpoint are those of a network, for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

_SHOWN = 5


@dataclass(frozen=True)
class KeyReport:
    """Which names of a checkpoint are those of a network.

    Attributes:
        matched: Of both, with equal shapes.
        missing: Of the network alone.
        unexpected: Of the checkpoint alone.
        mismatched: Of both, with different shapes.
        renamed: `theirs -> ours`, of those that the checkpoint calls otherwise; they are among the others by our name.
        left_out: Of the checkpoint, of parts that serve training alone and that the network has not.
        counters: Of the network alone, but older checkpoints lack them and nothing reads them.
    """

    matched: tuple[str, ...]
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    mismatched: tuple[str, ...]
    renamed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    counters: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """Returns one line for each sort, with its first names; the last three sorts only where there are any."""
        sorts = {name: getattr(self, name) for name in ("matched", "missing", "unexpected", "mismatched")}
        further = {name: getattr(self, name) for name in ("renamed", "left_out", "counters")}
        sorts.update({name.replace("_", " "): names for name, names in further.items() if names})
        return [f"{name}: {len(names)}" + (f" ({first_of(names)})" if names else "") for name, names in sorts.items()]


def first_of(names: tuple[str, ...], shown: int = _SHOWN) -> str:
    """Returns the first names, and dots where there are more."""
    return ", ".join(names[:shown]) + ", ..." * (len(names) > shown)


def compare(own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> KeyReport:
    """Returns which names are in both, in one alone, or of other shape."""
    both = [name for name in own if name in given]
    return KeyReport(
        matched=tuple(name for name in both if own[name].shape == given[name].shape),
        missing=tuple(name for name in own if name not in given),
        unexpected=tuple(name for name in given if name not in own),
        mismatched=tuple(name for name in both if own[name].shape != given[name].shape),
    )
