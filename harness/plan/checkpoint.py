"""Given checkpoints as identities see them: by their content, never by their path. Without torch."""

from __future__ import annotations

import hashlib
from pathlib import Path

from harness.errors import UserError
from harness.plan.identity import canonical_json
from harness.store.artifact import WEIGHTS, ModelFile, read_model_file
from harness.store.checksum import sha256_of


def weights_file(path: Path) -> Path:
    """Returns the file that holds the weights: the path itself, or that of an artifact's folder.

    Raises:
        UserError: There is nothing, or a folder that is no artifact.
    """
    if path.is_dir():
        read_model_file(path)
        path = path / WEIGHTS
    if not path.is_file():
        message = f"checkpoint {path}: there is no such file"
        raise UserError(message, "Name a .pth or .safetensors file, or an artifact's folder.")
    return path


def compressed_model(path: Path) -> ModelFile | None:
    """Returns what an artifact's folder says of its model, if that is a compressed one; `None` for anything else.

    Raises:
        UserError: It is a folder, but no artifact.
    """
    if not path.is_dir():
        return None
    file = read_model_file(path)
    return file if file.transforms else None


def require_uncompressed(path: Path) -> None:
    """Looks whether a checkpoint can be the baseline of what compressors make.

    Raises:
        UserError: It is an artifact of a compressed model.
    """
    file = compressed_model(path)
    if file is not None:
        kinds = ", ".join(entry.kind for entry in file.transforms)
        message = f"checkpoint {path}: the artifact is no baseline: its model was changed ({kinds})"
        hint = "Name an artifact of an uncompressed model: the `model` folder of a train stage."
        raise UserError(
            message, f"{hint} To evaluate or recover it as it is, name no compressor, nor any control: --no-controls."
        )


def checkpoint_fields(path: Path) -> dict[str, str]:
    """Returns what the identity of a stage that loads a checkpoint states of it.

    That is the digest of its weights, and for a compressed model the one of what rebuilds it.

    Raises:
        UserError: It is not there or cannot be read.
    """
    fields = {"sha256": checkpoint_digest(path)}
    file = compressed_model(path)
    if file is not None:
        structure = canonical_json(file.model_dump(mode="json")).encode()
        fields["structure"] = hashlib.sha256(structure).hexdigest()
    return fields


def checkpoint_digest(path: Path) -> str:
    """Returns the SHA-256 hex digest of a checkpoint's content; for an artifact's folder that of its weights.

    Raises:
        UserError: It is not there or cannot be read.
    """
    file = weights_file(path)
    try:
        return sha256_of(file)
    except OSError as error:
        message = f"checkpoint {file}: cannot be read ({error.strerror or error})"
        raise UserError(message, "Make it readable, or name another one.") from error
