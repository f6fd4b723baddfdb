"""Checkpoints from anywhere, loaded without running anything that is in them.

This is the only way in: mmengine's own loader unpickles whatever it finds. See `docs/design/checkpoints.md`.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from harness.engine.unpickling import ALLOWED, restored
from harness.errors import UserError
from harness.plan.checkpoint import weights_file

_REFUSED = re.compile(r"GLOBAL ([\w.]+(?:\([^)]*\))?)")
_REASON = re.compile(r"WeightsUnpickler error:\s*(.+)")
_WEIGHT_KEYS = ("state_dict", "model_state_dict", "model")
_PARALLEL_PREFIX = "module."


def load_checkpoint(path: Path, *, trusted: bool = False) -> dict[str, Any]:
    """Returns what a checkpoint holds, on the CPU.

    Args:
        path: A file of `torch.save`, a `.safetensors` file, or the folder of an artifact.
        trusted: Unpickle whatever is in it, which may run code; only for files whose origin one trusts.

    Raises:
        UserError: It is missing or damaged, is no checkpoint, or holds what only a trusted file may.
    """
    file = weights_file(path)
    if file.suffix == ".safetensors":
        return dict(_load_safetensors(file))
    content = _unpickled(file) if trusted else _load_safely(file)
    if not isinstance(content, dict):
        message = f"checkpoint {file}: holds {type(content).__name__}, not a mapping of names to weights"
        raise UserError(message, "Save `model.state_dict()` instead, e.g. with torch.save.")
    return content


def state_dict_of(checkpoint: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """Returns the weights in a checkpoint: under `state_dict`, `model_state_dict` or `model`, or all of it.

    The prefix that DataParallel gives to every name is taken off.

    Args:
        checkpoint: What `load_checkpoint` returned.
        name: What to call it in messages.

    Raises:
        UserError: There are no weights, or something among them is no plain tensor.
    """
    inner = next((checkpoint[key] for key in _WEIGHT_KEYS if isinstance(checkpoint.get(key), dict)), checkpoint)
    odd = [str(key) for key, value in inner.items() if not (isinstance(key, str) and _is_plain(value))]
    if odd or not inner:
        what = f"{odd[0]!r} is no plain tensor" if odd else "it is empty"
        message = f"checkpoint {name}: holds no weights: {what}"
        raise UserError(message, f"Weights are looked for under {', '.join(_WEIGHT_KEYS)} and at the top.")
    if all(key.startswith(_PARALLEL_PREFIX) for key in inner):
        return {key.removeprefix(_PARALLEL_PREFIX): value for key, value in inner.items()}
    return dict(inner)


def _is_plain(value: Any) -> bool:
    """Whether it is a tensor with its numbers in memory: none that is sparse, quantized or without content."""
    if type(value) not in (Tensor, torch.nn.Parameter):
        return False
    return value.layout == torch.strided and value.device.type == "cpu" and not value.is_quantized


def _load_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (OSError, SafetensorError) as error:
        raise _damaged(file, error) from error


def _load_safely(file: Path) -> Any:
    try:
        with torch.serialization.safe_globals(ALLOWED):
            return restored(torch.load(file, map_location="cpu", weights_only=True))
    except UnpicklingError as error:
        raise _refused(file, str(error)) from error
    except MemoryError:
        raise
    except Exception as error:  # a file that is wrong on purpose may make torch's reader raise anything
        raise _damaged(file, error) from error


def _unpickled(file: Path) -> Any:
    text = "checkpoint %s is trusted: it is unpickled without restrictions and may run code"
    logging.getLogger("harness.stage").warning(text, file)
    try:
        return torch.load(file, map_location="cpu", weights_only=False)
    except MemoryError:
        raise
    except Exception as error:  # its own code may raise anything
        raise _damaged(file, error) from error


def _refused(file: Path, reason: str) -> UserError:
    trust = f"if you trust its origin, add --trust-checkpoint {file}: such a file can run any code."
    named = _REFUSED.search(reason)
    if named:
        message = f"checkpoint {file}: refused, because it asks for {named[1]}, which no weights need"
        return UserError(message, f"Nothing of it was run. Only {trust}")
    found = _REASON.search(reason)
    message = f"checkpoint {file}: is damaged, or not written by torch.save ({found[1] if found else reason})"
    return UserError(message, f"Only if it is whole, and {trust}")


def _damaged(file: Path, error: Exception) -> UserError:
    first = next(iter(str(error).splitlines()), "").partition(". ")[0]
    message = f"checkpoint {file}: is damaged, or no checkpoint ({type(error).__name__}: {first})"
    return UserError(message, "Name a file of torch.save, a .safetensors file, or an artifact's folder.")
