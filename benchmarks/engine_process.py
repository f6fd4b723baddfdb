"""One measurement of `channel_engine.py` in a process of its own: peak memory, or whether Torch-Pruning gets through.

Prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from engine_runs import Subject, forward, prepare, quiet, run_torch_pruning, subject
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench_pruning.channels.tracing import follow, traced

RATIO = 0.5
KIBIBYTE = 1024


class Activations(TorchDispatchMode):
    """Counts the bytes of all memory that operations take for their results.

    Attributes:
        bytes: Their sum.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Runs the operation and counts results that share no memory with what it read."""
        del types
        result = func(*args, **(kwargs or {}))
        read = set(_storages((args, kwargs)))
        self.bytes += sum(size for at, size in _storages(result).items() if at not in read)
        return result


def main() -> None:
    """Measures what the arguments say: a name of `ACTIONS`, a model, a size."""
    action, name, size = sys.argv[1:]
    quiet()
    given = subject(name, int(size))
    counter = Activations()
    if action == "activations":
        with counter:
            forward(given)
    else:
        ACTIONS[action](given)
    print(json.dumps({"peak": _peak(), "activations": counter.bytes, "seconds": time.process_time()}))


def _peak() -> int:
    """Returns the largest resident size of this process in bytes.

    `getrusage` would say no less than what the process that started this one had, on Linux.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * KIBIBYTE


def _trace(given: Subject) -> Any:
    return traced(given.model, follow(given.model, given.task, given.images))


def _storages(tree: Any) -> dict[int, int]:
    """Returns the bytes of each storage of the tensors in `tree`, by its address."""
    tensors = [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage.data_ptr(): storage.nbytes() for storage in storages}


ACTIONS: dict[str, Callable[[Subject], Any]] = {
    "model": lambda given: None,
    "forward": forward,
    "trace": _trace,
    "prepare": prepare,
    "torch-pruning": lambda given: run_torch_pruning(given, RATIO),
}

if __name__ == "__main__":
    main()
