"""The flow of labels through one model: what tensors carry, where the forward pass is, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.utils.weak import WeakTensorKeyDictionary

from bench_pruning.channels import labels as labelling
from bench_pruning.channels.classes import Classes
from bench_pruning.channels.products import Product

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray
    from torch import nn

    from bench_pruning.channels.groups import Role
    from bench_pruning.channels.labels import Labels


class ChannelFlow:
    """Labels of a model's parameters and of the tensors computed from them.

    Rules of operations and modules work on it; see `bench_pruning.channels.rules`.

    Attributes:
        classes: The labels, united.
        parameters: First label of each dimension that has labels, by (name, dimension), in the order of first use.
        running: Paths of the modules entered and not yet left, outermost first.
        reading: What each of them was called with.
        skipped: Depth of modules whose rule answers for all that happens inside; nothing is followed while > 0.
        kernels: What the dimensions of a parameter do that is used as a convolution's weight.
        products: Convolutions and matrix products since `counting` was set.
        counting: Whether products are noted.
    """

    def __init__(self, model: nn.Module) -> None:
        self.classes = Classes()
        self.parameters: dict[tuple[str, int], NDArray[np.int64]] = {}
        self.running: list[str] = []
        self.reading: list[Any] = []
        self.skipped = 0
        self.kernels: dict[tuple[str, int], Role] = {}
        self.products: list[Product] = []
        self.counting = False
        self._names = _names(model)
        self._labels = WeakTensorKeyDictionary()
        self._forbidden = WeakTensorKeyDictionary()
        self._first_labels: dict[int, tuple[str, int]] = {}
        self._seen: dict[str, dict[tuple[int, int, int], NDArray[np.int64]]] = {}

    @property
    def path(self) -> str:
        """Path of the module that is running; empty for the network itself."""
        return self.running[-1] if self.running else ""

    @property
    def arguments(self) -> Any:
        """What the running module was called with; `None` outside of any."""
        return self.reading[-1] if self.reading else None

    def labels(self, tensor: torch.Tensor) -> Labels:
        """Returns a tensor's labels; those of a parameter or buffer are made when it is first used."""
        found: Labels | None = self._labels.get(tensor)
        if found is None:
            name = self._names.get(id(tensor))
            found = {} if name is None else self._parameter_labels(name, tensor)
            self._labels[tensor] = found
        return found

    def assign(self, tensor: torch.Tensor, labels: Labels) -> None:
        """Says what labels a computed tensor has; what is pinned as a whole is as good as fixed."""
        for ids in labels.values():
            self._see(ids)
        self._labels[tensor] = {key: ids for key, ids in labels.items() if not self.classes.all_stay(ids)}

    def forbid(self, tensor: torch.Tensor, labels: Iterable[NDArray[np.int64]], reason: str) -> None:
        """Says that labels must stay if anything reads a tensor."""
        self._forbidden[tensor] = (list(labels), reason)

    def use(self, tensors: Iterable[torch.Tensor]) -> None:
        """Pins what may not be read by any operation, now that one does."""
        for tensor in tensors if len(self._forbidden) else ():
            for labels, reason in (self._forbidden.get(tensor, ((), "")),):
                for ids in labels:
                    self.classes.pin(ids, reason)

    def read(self, tensor: torch.Tensor) -> Labels:
        """Returns a tensor's labels and notes that the running module read them."""
        found = self.labels(tensor)
        for ids in found.values():
            self._see(ids)
        return found

    def pin(self, labels: Labels, reason: str) -> None:
        """Says that nothing of a tensor may go."""
        for ids in labels.values():
            self.classes.pin(ids, reason)

    def channels(self, tensor: torch.Tensor, dim: int) -> NDArray[np.int64] | None:
        """Returns the labels [C] along one dimension of a tensor, or `None` if it is fixed there."""
        return labelling.along(self.labels(tensor), dim % max(tensor.dim(), 1))

    def carry(self, tensor: torch.Tensor, dim: int, ids: NDArray[np.int64] | None) -> None:
        """Says that a tensor varies along `dim` only, by the labels [C] given; `None` makes it fixed."""
        rank = tensor.dim()
        self.assign(tensor, {} if ids is None else labelling.vector(ids, rank, dim % rank))

    def unite(self, one: NDArray[np.int64] | None, other: NDArray[np.int64] | None, reason: str) -> None:
        """Unites labels [C] position by position; what meets a fixed dimension (`None`) is pinned."""
        if one is not None and other is not None and one.shape == other.shape:
            self.classes.unite(one, other, reason)
            return
        for ids in (one, other):
            if ids is not None:
                self.classes.pin(ids, reason)

    def note_kernel(self, weight: torch.Tensor, roles: Sequence[Role]) -> None:
        """Says what the first dimensions of a convolution's weight do, if it is a parameter itself."""
        name = self._names.get(id(weight))
        if name is not None:
            self.kernels.update({(name, dim): role for dim, role in enumerate(roles)})

    def note_factor(self, ids: NDArray[np.int64] | None, role: Role) -> None:
        """Says what a dimension of a parameter does that is multiplied as a matrix, if these are its own labels."""
        if ids is not None:
            place = self._first_labels.get(int(ids.flat[0]))
            if place is not None and np.array_equal(self.parameters[place], ids.ravel()):
                self.kernels.setdefault(place, role)

    def attribute(self, name: str, size: int) -> NDArray[np.int64]:
        """Returns the labels [size] of an integer attribute that counts channels, e.g. `"roi.out_channels"`."""
        return self._made(name, 0, size)

    def seen_in(self, path: str) -> NDArray[np.int64]:
        """Returns all labels [L] that were read or made in a module and the modules below it."""
        inside = [seen.values() for where, seen in self._seen.items() if _is_below(where, path)]
        return np.concatenate([np.zeros(0, np.int64), *(ids.ravel() for found in inside for ids in found)])

    def where(self, operation: str, shapes: Iterable[Sequence[int]]) -> str:
        """Returns how reasons name an operation: itself, the module it ran in, the shapes it read."""
        place = f"`{self.path}`" if self.path else "the network"
        read = ", ".join(str(list(shape)) for shape in shapes)
        return f"{operation} in {place} on {read}"

    def _parameter_labels(self, name: str, tensor: torch.Tensor) -> Labels:
        found: Labels = {}
        for dim, size in enumerate(tensor.shape):
            if size > 1:
                found.update(labelling.vector(self._made(name, dim, size), tensor.dim(), dim))
        return found

    def _made(self, name: str, dim: int, size: int) -> NDArray[np.int64]:
        if (name, dim) not in self.parameters:
            self.parameters[name, dim] = self.classes.add(size)
            self._first_labels[int(self.parameters[name, dim][0])] = (name, dim)
        return self.parameters[name, dim]

    def _see(self, ids: NDArray[np.int64]) -> None:
        # One array of each kind is enough, and none of the size of an activation.
        key = (ids.size, int(ids.flat[0]), int(ids.flat[-1]))
        seen = self._seen.setdefault(self.path, {})
        if key not in seen:
            seen[key] = np.unique(ids)


def _names(model: nn.Module) -> dict[int, str]:
    """Returns the first name of each parameter and buffer, by its identity."""
    names: dict[int, str] = {}
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        names.setdefault(id(tensor), name)
    return names


def _is_below(path: str, ancestor: str) -> bool:
    return not ancestor or path == ancestor or path.startswith(f"{ancestor}.")
