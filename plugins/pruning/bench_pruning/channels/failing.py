"""Where a forward pass failed, as messages say it: the line of code and the shapes that its module read."""

from __future__ import annotations

import linecache
import traceback
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

_OURS = Path(__file__).parents[1]
_TORCH = Path(torch.__file__).parent
_WATCHERS = (
    _OURS, _TORCH / "utils", _TORCH / "_dynamo", _TORCH / "_compile.py", _TORCH / "_ops.py", _TORCH / "overrides.py"
)  # fmt: skip
"""Code that runs a failing operation for others, and is never what failed."""
_SHOWN_SHAPES = 3


def failing_line(error: BaseException) -> str:
    """Returns the operation that raised an error: the innermost line of code that is the model's or torch's own.

    Empty where there is none that can be read.
    """
    frames = traceback.extract_tb(error.__traceback__)
    for frame in reversed(frames):
        path = Path(frame.filename)
        if frame.lineno is None or any(path == watcher or watcher in path.parents for watcher in _WATCHERS):
            continue
        line = linecache.getline(frame.filename, frame.lineno).strip()
        if line:
            return f"`{line}` ({path.parent.name}/{path.name}:{frame.lineno})"
    return ""


def shapes_of(tree: Any) -> str:
    """Returns the shapes of the first tensors among a module's arguments, e.g. `[2, 8, 4, 4], [2, 3]`."""
    tensors = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
    return ", ".join(str(list(tensor.shape)) for tensor in tensors[:_SHOWN_SHAPES])


def told(error: BaseException, arguments: Any = None) -> str:
    """Returns an error in one line: its type and text, the line of code, and the shapes that the module read."""
    text = f"{type(error).__name__}: {error}".splitlines()[0].removesuffix(": ")
    line, shapes = failing_line(error), shapes_of(arguments)
    return text + (f" at {line}" if line else "") + (f" on {shapes}" if shapes else "")
