"""What a checkpoint may hold besides tensors, and the stand-ins that are unpickled in its place.

mmengine's checkpoints hold numpy numbers (the histories of the message hub) and the annealing function of a one-cycle
schedule. Allowing numpy's own `dtype`, `ndarray` and `_reconstruct`, as is usual, is not safe: a data type's pickled
state may say that an array of objects holds raw bytes, which numpy then takes for addresses. Allowing `getattr` is not
safe at all. So none of them is allowed; what is called under their names are the functions and classes below, which
make plain numbers and nothing else. See `docs/design/checkpoints.md`.
"""

from __future__ import annotations

from pickle import UnpicklingError
from typing import Any

import numpy as np
from mmengine.logging.history_buffer import HistoryBuffer
from mmengine.optim.scheduler.param_scheduler import OneCycleParamScheduler

_NUMBERS = "biufc"
_ANNEALING = ("_annealing_cos", "_annealing_linear")
_one_cycle = object()


class _StandIn:
    """Unpickled in the place of something; holds what it stands for."""

    value: Any = None


class _DataType(_StandIn):
    """`numpy.dtype`: numbers only; of its state only the byte order is taken."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        kind = np.dtype(code) if isinstance(code, str) else None
        if kind is None or kind.kind not in _NUMBERS:
            message = f"GLOBAL numpy.dtype({code!r}) is no type of plain numbers"
            raise UnpicklingError(message)
        self.value = kind

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] in ("<", ">"):
            self.value = self.value.newbyteorder(state[1])


class _Array(_StandIn):
    """`numpy.ndarray` of numbers, made from bytes."""

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, kind, by_column, content = state
        self.value = _numbers(kind, content).reshape(shape, order="F" if by_column else "C")


class _History(_StandIn):
    """mmengine's `HistoryBuffer`, made anew from its two arrays; it brings no methods of its own, as mmengine's may."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        values, counts = state["_log_history"], state["_count_history"]
        self.value = HistoryBuffer(_plain(values), _plain(counts), int(state["max_length"]))


def _plain(array: Any) -> np.ndarray[Any, Any]:
    if not isinstance(array, _Array):
        message = "a HistoryBuffer without arrays of numbers"
        raise UnpicklingError(message)
    content: np.ndarray[Any, Any] = array.value
    return content


def _numbers(kind: _DataType, content: bytes) -> np.ndarray[Any, Any]:
    if not isinstance(kind, _DataType):
        message = "a numpy array without a type of plain numbers"
        raise UnpicklingError(message)
    return np.frombuffer(content, kind.value).copy() if content else np.empty(0, kind.value)


def _reconstruct(*_: Any) -> _Array:
    """`numpy._core.multiarray._reconstruct`: an array whose content follows."""
    return _Array()


def _scalar(kind: _DataType, content: bytes) -> Any:
    """`numpy._core.multiarray.scalar`: one number."""
    (number,) = _numbers(kind, content)
    return number


def _no_bytes() -> bytes:
    """`bytes`, which old pickle protocols call for those of length 0."""
    return b""


def _attribute(owner: Any, name: Any) -> Any:
    """`getattr`, for the methods that histories name and the two functions that a one-cycle schedule may hold."""
    if owner is _History:
        return None  # its state says which statistics there are; a new one has them
    if owner is not _one_cycle or name not in _ANNEALING:
        message = f"GLOBAL builtins.getattr({owner!r}, {name!r}) is not allowed"
        raise UnpicklingError(message)
    return getattr(OneCycleParamScheduler, name)


ALLOWED: list[Any] = [
    (_DataType, "numpy.dtype"),
    (_Array, "numpy.ndarray"),
    (_History, "mmengine.logging.history_buffer.HistoryBuffer"),
    # numpy 1 and numpy 2
    *((_reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")),
    *((_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    (_no_bytes, "builtins.bytes"),
    (_attribute, "builtins.getattr"),
    (_one_cycle, "mmengine.optim.scheduler.param_scheduler.OneCycleParamScheduler"),
]
"""What is called under which name while a checkpoint is unpickled, besides what torch allows: for `safe_globals`."""


def restored(value: Any) -> Any:
    """Returns what was unpickled with the real things in place of their stand-ins; dicts and lists change in place."""
    return _restored(value, {})


def _restored(value: Any, seen: dict[int, tuple[Any, Any]]) -> Any:
    """Each container is looked at once: a file may hold one within itself, or one a thousand times."""
    if isinstance(value, _StandIn):
        return value.value
    if not isinstance(value, (dict, list, tuple)):
        return value
    if id(value) not in seen:
        seen[id(value)] = (value, value)
        if isinstance(value, dict):
            for key, item in list(value.items()):
                value[key] = _restored(item, seen)
        elif isinstance(value, list):
            value[:] = [_restored(item, seen) for item in value]
        elif type(value) is tuple:
            seen[id(value)] = (value, tuple(_restored(item, seen) for item in value))
    return seen[id(value)][1]
