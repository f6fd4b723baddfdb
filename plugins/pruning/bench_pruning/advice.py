"""What a person can do about a model that cannot be pruned; the same three ways wherever it is found out."""

from __future__ import annotations

WAYS_ON = (
    "Three ways on: leave alone what the message names (--protect PATTERN, or protect= of the method); tell the engine "
    "what its module does (a module rule, docs/design/channel_engine.md); or report it with the model's config."
)
"""Hint of every error that says that a model cannot be traced or pruned."""

NOT_THE_COPY = (
    "The model runs, but a copy of it does not: its forward pass reads what hooks, closures or attributes of a weight "
    "keep, which still belong to the original. Keep such things in attributes of modules."
)
"""Hint where the model cannot be worked on."""

OWN_FAULT = (
    "The model fails so without being traced, too: mend its code or its config for images of this size, or report it."
)
"""Hint where the engine has no part in what went wrong."""
