"""Tuples in model configs, which JSON does not know."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.registry import Registry


def with_tuples(config: Any, *registries: Registry) -> Any:
    """Returns a model config in which each class gets a tuple where the default of its parameter is one.

    Model configs are kept as JSON, where a tuple is a list, and some classes of OpenMMLab refuse lists. Call it within
    the default scope of the registries.

    Args:
        config: The config, or a part of it.
        registries: Where its classes are.
    """
    if isinstance(config, list):
        return [with_tuples(item, *registries) for item in config]
    if not isinstance(config, dict):
        return config
    name = config.get("type")
    kind = next(filter(None, (each.get(name) for each in registries)), None) if isinstance(name, str) else None
    defaults = {key: each.default for key, each in inspect.signature(kind).parameters.items()} if kind else {}
    items = {key: with_tuples(item, *registries) for key, item in config.items()}
    return {key: _like(item, defaults.get(key)) for key, item in items.items()}


def _like(item: Any, default: Any) -> Any:
    return tuple(item) if isinstance(item, list) and isinstance(default, tuple) else item
