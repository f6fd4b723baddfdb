"""Figures of single classes, as records hold them: `IoU.road` is the IoU of the class road."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

Metrics = Mapping[str, float | None]

_SEPARATOR = "."


def class_key(figure: str, name: str) -> str:
    """Returns the key of a class's figure in the metrics of a record."""
    return f"{figure}{_SEPARATOR}{name}"


def class_figures(metrics: Iterable[Metrics]) -> dict[str, list[str]]:
    """Returns the classes that have a figure, by the figure's name, in the order of the records.

    Args:
        metrics: Those of several models.
    """
    found: dict[str, dict[str, None]] = {}
    for known in metrics:
        for key in known:
            figure, separator, name = key.partition(_SEPARATOR)
            if separator:
                found.setdefault(figure, {}).setdefault(name)
    return {figure: list(names) for figure, names in found.items()}
