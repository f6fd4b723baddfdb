"""Identity: the hash of everything that determines a stage's outcome, and of nothing else.

One function serves a plan and a stored stage alike: both hold the same `StageFields`.
See `docs/design/identity.md`.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from harness.store.stage import StageKind

IDENTITY_VERSION = 1
"""Raised when the meaning of the fields below changes."""

ENGINE_SEMANTICS = 1
"""Raised when the engine changes in a way that changes a stage's outcome."""

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=True)


class StageFields(BaseModel):
    """What determines a stage's outcome.

    Not in it: worker count, paths of results, verbosity, the device (but for `measure`, whose parameters
    name the hardware).

    Attributes:
        identity_version: `IDENTITY_VERSION`.
        semantics: `ENGINE_SEMANTICS`.
        kind: Which kind of stage it is.
        parameters: Plain JSON: names, options, setting, seed, budget, protocol, ...
        inputs: Identities of the stages it starts from, by role.
        plugins: Distribution, version and (for editable installs) source hash, by role.
        dataset: Fingerprint of the data; `None` where the stage reads none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    identity_version: int = IDENTITY_VERSION
    semantics: int = ENGINE_SEMANTICS
    kind: StageKind
    parameters: dict[str, Any]
    inputs: dict[str, str] = Field(default_factory=dict)
    plugins: dict[str, dict[str, str | None]] = Field(default_factory=dict)
    dataset: str | None = None


def identity_of(fields: StageFields) -> str:
    """Returns the SHA-256 hex digest of the fields' canonical JSON.

    Example:
        >>> identity_of(StageFields(kind="train", parameters={"b": 1, "a": 2.0}))[:8]
        '1b245f8b'
    """
    return _digest(_texts(fields))


class CommonFields:
    """Fields of stages that differ in their inputs alone, checked and written out once for all of them.

    Args:
        fields: The fields; their inputs do not count.
    """

    def __init__(self, fields: StageFields) -> None:
        self._fields = fields
        self._texts = _texts(fields)

    def with_inputs(self, inputs: dict[str, str]) -> tuple[StageFields, str]:
        """Returns the fields of the stage with these inputs, and what `identity_of` says of them."""
        fields = self._fields.model_copy(update={"inputs": inputs})
        return fields, _digest({**self._texts, "inputs": canonical_json(inputs)})


def canonical_json(value: Any) -> str:
    """Returns JSON with sorted keys and no optional space; a float that is whole reads as a float still.

    Raises:
        ValueError: The value holds NaN or infinity.
    """
    return _ENCODER.encode(value)


def _texts(fields: StageFields) -> dict[str, str]:
    return {name: canonical_json(getattr(fields, name)) for name in StageFields.model_fields}


def _digest(texts: dict[str, str]) -> str:
    """Returns the hash of the object with these members, each in canonical JSON."""
    members = ",".join([f'"{name}":{texts[name]}' for name in sorted(texts)])
    return hashlib.sha256(f"{{{members}}}".encode()).hexdigest()
