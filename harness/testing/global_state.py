"""What a process shares, and a plugin must leave as it was."""

from __future__ import annotations

import os
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.modules import module as torch_module

_HOOKS = tuple(
    f"_global_{kind}"
    for kind in (
        "forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks", "buffer_registration_hooks",
        "module_registration_hooks", "parameter_registration_hooks",
    )
)  # fmt: skip


class _Part(NamedTuple):
    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


def _read_numpy() -> Any:
    name, keys, *rest = np.random.get_state()
    return (name, np.asarray(keys).tobytes(), *rest)


def _write_numpy(value: Any) -> None:
    name, keys, *rest = value
    np.random.set_state((name, np.frombuffer(keys, dtype=np.uint32), *rest))


def _read_hooks() -> dict[str, tuple[Any, ...]]:
    return {name: tuple(getattr(torch_module, name)) for name in _HOOKS}


def _write_hooks(value: dict[str, tuple[Any, ...]]) -> None:
    for name, known in value.items():
        hooks = getattr(torch_module, name)
        for key in [key for key in hooks if key not in known]:
            del hooks[key]


def _read_cudnn() -> tuple[bool, ...]:
    return torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic


def _write_cudnn(value: tuple[bool, ...]) -> None:
    torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = value


def _read_deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _write_environment(value: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(value)


def _write_filters(value: Sequence[Any]) -> None:
    warnings.filters[:] = value  # type: ignore[index]  # a list, whatever its stub says


_RANDOM = (
    _Part("Python's random state", random.getstate, random.setstate),
    _Part("NumPy's random state", _read_numpy, _write_numpy),
    _Part(
        "torch's random state",
        lambda: bytes(torch.get_rng_state().numpy()),
        lambda value: torch.set_rng_state(torch.tensor(list(value), dtype=torch.uint8)),
    ),
)
_FLAGS = (
    _Part("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    _Part("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    _Part(
        "torch's deterministic algorithms",
        _read_deterministic,
        lambda value: torch.use_deterministic_algorithms(value[0], warn_only=value[1]),
    ),
    _Part("torch's anomaly detection", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    _Part("torch's float32 matmul precision", torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    _Part("cuDNN's flags (enabled, benchmark, deterministic)", _read_cudnn, _write_cudnn),
    _Part("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    _Part("hooks on all modules", _read_hooks, _write_hooks),
    _Part("filters of warnings", lambda: list(warnings.filters), _write_filters),
    _Part("environment variables", lambda: dict(os.environ), _write_environment),
    _Part("the current folder", Path.cwd, os.chdir),
)
_LONGEST = 60


@contextmanager
def watched(leaks: list[str], *, random_states: bool) -> Iterator[None]:
    """Notes what the block leaves changed, and puts everything back, also behind an error.

    Args:
        leaks: Receives a line for each part that has changed.
        random_states: Whether a changed random state is a leak too; it is put back in any case.
    """
    before = [(part, part.read()) for part in (*_RANDOM, *_FLAGS)]
    try:
        yield
    finally:
        for part, value in before:
            found = part.read()
            if found != value:
                if random_states or part not in _RANDOM:
                    leaks.append(_described(part, value, found))
                part.write(value)


def _described(part: _Part, before: Any, after: Any) -> str:
    if isinstance(before, dict) and isinstance(after, dict):
        changed = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
        return f"{part.name}: {', '.join(changed)}"
    shown = f": {before!r} has become {after!r}"
    return part.name + (shown if len(shown) <= _LONGEST else "")
