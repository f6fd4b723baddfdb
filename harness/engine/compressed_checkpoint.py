"""The artifact of a compressed model as the baseline of a benchmark, which may ask for another model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.errors import ShapeMismatchError
from harness.store.artifact import ModelBase, ModelFile

_LOSS = "loss_"
"""What the keys of losses begin with in a head's config; the heads of OpenMMLab take them by these names."""

_SHOWN = 3
_LONGEST = 60


def as_asked(file: ModelFile, asked: ModelBase, source: str) -> ModelFile:
    """Returns the description of the compressed model with the losses that are asked for.

    Its transforms were made for one network, which was trained on one sort of data: all of the config but the losses
    must be what is asked for today.

    Args:
        file: The artifact's description.
        asked: What the benchmark's model and data set make.
        source: Where the description comes from, for messages.

    Raises:
        ShapeMismatchError: It is of another network, or of data with other classes, sizes or normalisation.
    """
    asked = ModelBase.model_validate_json(asked.model_dump_json())  # as an artifact holds it: tuples are lists
    found = tuple(_differences(file.base.config, asked.config, ""))
    if found:
        shown = "; ".join(found[:_SHOWN]) + "; ..." * (len(found) > _SHOWN)
        message = f"{source}: the artifact is not of the model and the data set that were asked for: {shown}"
        hint = "Write the data set and the options that it was made with; only losses and class weights may differ."
        raise ShapeMismatchError(message, hint)
    return file.model_copy(update={"base": asked})


def _differences(theirs: Any, ours: Any, where: str) -> Iterator[str]:
    """Yields what differs but for losses, as `key: value in the artifact, value asked for`."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in dict.fromkeys([*ours, *theirs]):
            below = f"{where}.{key}" if where else str(key)
            if str(key).startswith(_LOSS):
                continue
            if key not in theirs or key not in ours:
                yield f"{below}: {_shown(theirs, key)} in the artifact, {_shown(ours, key)} asked for"
            else:
                yield from _differences(theirs[key], ours[key], below)
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours) and _nested(ours):
        for place, (one, other) in enumerate(zip(theirs, ours, strict=True)):
            yield from _differences(one, other, f"{where}[{place}]")
    elif theirs != ours:
        yield f"{where}: {_short(theirs)} in the artifact, {_short(ours)} asked for"


def _nested(values: list[Any]) -> bool:
    return any(isinstance(value, dict | list) for value in values)


def _shown(config: dict[str, Any], key: str) -> str:
    return _short(config[key]) if key in config else "nothing"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
