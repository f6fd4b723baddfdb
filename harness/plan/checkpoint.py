"""Given checkpoints as identities see them: by their content, never by their path. Without torch."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UserError
from harness.store.artifact import WEIGHTS, read_model_file
from harness.store.checksum import sha256_of


def weights_file(path: Path) -> Path:
    """Returns the file that holds the weights: the path itself, or that of an artifact's folder.

    Raises:
        UserError: There is nothing, or a folder that is no artifact of an uncompressed model.
    """
    if path.is_dir():
        transforms = [entry.kind for entry in read_model_file(path).transforms]
        if transforms:
            message = f"checkpoint {path}: the artifact is no baseline: its model was changed ({', '.join(transforms)})"
            raise UserError(message, "Name an artifact of an uncompressed model: the `model` folder of a train stage.")
        path = path / WEIGHTS
    if not path.is_file():
        message = f"checkpoint {path}: there is no such file"
        raise UserError(message, "Name a .pth or .safetensors file, or an artifact's folder.")
    return path


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
