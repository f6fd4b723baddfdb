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
    defaults = _defaults(kind) if kind else {}
    items = {key: with_tuples(item, *registries) for key, item in config.items()}
    return {key: _like(item, defaults.get(key)) for key, item in items.items()}


def _defaults(kind: Any) -> dict[str, Any]:
    """Returns the defaults of a class's parameters, those included that it hands on to its bases."""
    found: dict[str, Any] = {}
    for each in inspect.getmro(kind)[:-1] if inspect.isclass(kind) else (kind,):
        parameters = inspect.signature(each).parameters.values()
        found = {**{one.name: one.default for one in parameters}, **found}
        if not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters):
            break
    return found


def _like(item: Any, default: Any) -> Any:
    """Returns an item with tuples where its default has them, at any depth."""
    if not isinstance(item, list) or not isinstance(default, (list, tuple)):
        return item
    inner = default[0] if default else None
    return (tuple if isinstance(default, tuple) else list)(_like(each, inner) for each in item)
