"""What a baseline's training starts from: options that models of any task may have. Without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, field_validator, model_validator

from harness.registry.descriptors import Options

BACKBONE = "backbone_checkpoint"
"""The option that names a backbone's weights."""

_BLOCK = 1 << 20


class StartOptions(Options):
    """Weights for the network's `backbone`, and parameters that stay as they are at first.

    A model that takes these options as its own has them; the stage that trains its baseline acts on them, and no other
    one: artifacts are rebuilt without the file, and recoveries train everything.

    The content of the file is in the identity of the baseline, its path is not.
    """

    path_options: ClassVar[frozenset[str]] = frozenset({BACKBONE})

    backbone_checkpoint: str = Field(default="", description="A .pth or .safetensors file with the backbone's weights.")
    backbone_sha256: str = Field(default="", description="What its content must be; by default whatever it is.")
    freeze: tuple[str, ...] = Field(default=(), description="Parameters that stay, as patterns: backbone.*")
    freeze_iterations: int | None = Field(default=None, ge=1, description="How long they stay; by default to the end.")

    @field_validator("freeze", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="before")
    @classmethod
    def _of_the_file(cls, given: Any) -> Any:
        """Fills in the digest, or compares it."""
        if not isinstance(given, dict) or not given.get("backbone_checkpoint"):
            return given
        path = Path(str(given["backbone_checkpoint"])).expanduser().absolute()
        try:
            digest = _sha256_of(path)
        except OSError as error:
            message = f"backbone_checkpoint {path}: cannot be read ({error.strerror or error})"
            raise ValueError(message) from error
        if given.get("backbone_sha256") not in (None, "", digest):
            message = f"backbone_checkpoint {path}: its content is not what was asked for, or has changed"
            raise ValueError(message)
        return {**given, "backbone_checkpoint": str(path), "backbone_sha256": digest}

    @model_validator(mode="after")
    def _digest_of_a_file(self) -> StartOptions:
        if self.backbone_sha256 and not self.backbone_checkpoint:
            message = "backbone_sha256: there is no backbone_checkpoint whose content it could be"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _frozen_for_something(self) -> StartOptions:
        if self.freeze_iterations is not None and not self.freeze:
            message = "freeze_iterations: nothing is frozen; write e.g. freeze=backbone.*"
            raise ValueError(message)
        return self


def _sha256_of(path: Path) -> str:
    # As `harness.store.checksum` has it, which plugins may not reach, not even through a contract.
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
