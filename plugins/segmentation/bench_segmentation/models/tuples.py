"""Tuples in model configs, which JSON does not know."""

from __future__ import annotations

import inspect
from typing import Any


def with_tuples(config: Any) -> Any:
    """Returns a model config in which each class gets a tuple where the default of its parameter is one.

    Model configs are kept as JSON, where a tuple is a list, and some of mmseg's classes refuse lists. Call it within
    mmseg's default scope.
    """
    from mmseg.registry import MODELS

    if isinstance(config, list):
        return [with_tuples(item) for item in config]
    if not isinstance(config, dict):
        return config
    kind = MODELS.get(config["type"]) if isinstance(config.get("type"), str) else None
    defaults = {name: each.default for name, each in inspect.signature(kind).parameters.items()} if kind else {}
    items = {key: with_tuples(item) for key, item in config.items()}
    return {key: _like(item, defaults.get(key)) for key, item in items.items()}


def _like(item: Any, default: Any) -> Any:
    return tuple(item) if isinstance(item, list) and isinstance(default, tuple) else item
