"""Data sets that name the sample, and its file, that they cannot make.

What goes wrong in a data set is a `DataError` of that data set, also where it went wrong in a loader's process.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from numbers import Integral
from typing import Any, NoReturn

from mmengine.registry import DATASETS, FUNCTIONS
from torch.utils.data import Dataset, IterableDataset, get_worker_info

from harness.errors import BenchError, DataError
from harness.exhaustion import exhausted

_HINT = "Mend or replace it, then run again with --retry data_error; the stage's log has the data set's own error."
_FILES = {"img_path": "", "seg_map_path": "labels "}
"""Keys under which mmengine's data sets say where a sample lies, with what to write before the path."""


def guarded_loader(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Returns a loader config whose errors name their sample.

    Args:
        config: An mmengine loader config.
        name: What to call the data set in messages, e.g. `"data set digits (train)"`.
    """
    collate = config.get("collate_fn", {"type": "pseudo_collate"})
    return {
        **config,
        "dataset": {"type": _open, "dataset": config["dataset"], "name": name},
        "collate_fn": {"type": _collate, "collate": collate, "name": name},
    }


class GuardedDataset(Dataset[Any]):
    """A data set whose errors name their sample; everything else is the data set's own.

    Args:
        dataset: The data set.
        name: What to call it.
    """

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset = dataset
        self._name = name

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return self._dataset[index]
        except Exception as error:  # a data set may raise anything
            if isinstance(error, IndexError) and isinstance(index, Integral) and not 0 <= index < len(self):
                raise  # the end of plain iteration
            _fail(error, f"{self._name}: sample {index}{_files(self._dataset, index)} cannot be read")

    @property
    def __getitems__(self) -> Callable[[Sequence[int]], Any] | None:
        """Torch's way to ask for a whole batch, where the data set has it."""
        whole = getattr(self._dataset, "__getitems__", None)
        if whole is None:
            return None

        def read(indices: Sequence[int]) -> Any:
            try:
                return whole(indices)
            except Exception as error:  # see above
                _fail(error, f"{self._name}: one of the samples {', '.join(map(str, indices))} cannot be read")

        return read

    def __getattr__(self, name: str) -> Any:
        if name == "_dataset" or name.startswith("__"):  # asked for while it is copied, before it has any
            raise AttributeError(name)
        return getattr(self._dataset, name)


class GuardedStream(IterableDataset[Any]):
    """The same for a data set without indices."""

    def __init__(self, dataset: Any, name: str) -> None:
        self._dataset = dataset
        self._name = name

    def __iter__(self) -> Any:
        done = 0
        try:
            for sample in self._dataset:
                yield sample
                done += 1
        except Exception as error:  # see above
            _fail(error, f"{self._name}: the sample behind the first {done} cannot be read")

    def __getattr__(self, name: str) -> Any:
        if name == "_dataset" or name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._dataset, name)


class LoaderProcessError(BenchError):
    """An error on its way out of a loader's process: torch carries its class and text, and calls one with the other.

    Args:
        text: `[kind] message`, the hint in a line of its own, and whatever torch writes in front of it.
    """

    _FORM = re.compile(r"\[(\w+)\] (.*)(?:\n  (.*))?\s*\Z")

    def __init__(self, text: str) -> None:
        own = text.rpartition(f"{type(self).__name__}: ")[2]
        found = self._FORM.match(own)
        kind, message, hint = found.groups("") if found else ("data_error", own, "")
        super().__init__(message, hint)
        self.kind = kind  # type: ignore[assignment]  # one of the kinds: `carried` wrote it
        if own != text:
            self.__cause__ = Exception(text.removesuffix(own))

    def __str__(self) -> str:
        return f"[{self.kind}] {super().__str__()}"

    @classmethod
    def carried(cls, kind: str, message: str, hint: str) -> LoaderProcessError:
        """Returns what stands for an error until it is in the main process."""
        return cls(f"[{kind}] {_one_line(message)}\n  {_one_line(hint)}")


def _open(dataset: Any, name: str) -> Any:
    """Builds the data set of a config and guards it."""
    try:
        made = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset
        if hasattr(made, "full_init"):
            made.full_init()
    except OSError as error:
        if exhausted(error):
            raise
        message = f"{name} cannot be opened: {_told(error)}"
        raise DataError(message, _HINT) from error
    return GuardedStream(made, name) if isinstance(made, IterableDataset) else GuardedDataset(made, name)


def _collate(samples: Sequence[Any], *, collate: Any, name: str) -> Any:
    """Puts a batch together as the loader's own function does, which may want samples of one shape."""
    try:
        return _collation(collate)(samples)
    except Exception as error:  # it is the loader's own
        _fail(error, f"{name}: {len(samples)} samples cannot be put together to a batch")


def _collation(collate: Any) -> Callable[[Sequence[Any]], Any]:
    if not isinstance(collate, Mapping):
        return collate  # type: ignore[no-any-return]
    options = {key: value for key, value in collate.items() if key != "type"}
    kind = collate["type"]
    function = FUNCTIONS.get(kind) if isinstance(kind, str) else kind
    return lambda samples: function(samples, **options)


def _fail(error: Exception, what: str) -> NoReturn:
    """Raises an error as one of the data set, unless it was raised on purpose."""
    named = error if isinstance(error, BenchError) else DataError(f"{what}: {_told(error)}", _HINT)
    if get_worker_info() is not None:
        exhaustion = exhausted(error)
        hint = "" if exhaustion else named.hint
        raise LoaderProcessError.carried(exhaustion or named.kind, named.message, hint) from error
    if named is error:
        raise error
    raise named from error


def _told(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def _files(dataset: Any, index: int) -> str:
    """Returns where the sample lies, in brackets; empty if the data set does not say."""
    with suppress(Exception):  # whatever else is wrong with it, its first error is the one to report
        known = dataset.get_data_info(index)
        paths = [f"{before}{known[key]}" for key, before in _FILES.items() if known.get(key)]
        return f" ({', '.join(paths)})" if paths else ""
    return ""
