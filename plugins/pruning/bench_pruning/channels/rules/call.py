"""One call of an ATen operation, as rules see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.utils._pytree import tree_leaves

from bench_pruning.channels.flow import ChannelFlow

if TYPE_CHECKING:
    from bench_pruning.channels.labels import Labels


class Call:
    """An operation's arguments and results.

    Attributes:
        name: The operation's name without overload, e.g. `"add_"`.
        tensors: All tensors among the arguments, in order.
        outputs: All tensors among the results.
    """

    def __init__(self, function: Any, args: Sequence[Any], kwargs: Mapping[str, Any], result: Any) -> None:
        self.function = function
        self.name = str(function._schema.name).partition("::")[2]
        self.args = args
        self.kwargs = kwargs
        self.tensors = _tensors((args, kwargs))
        self.outputs = _tensors(result)

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """Returns an argument, given by position or by name, or its default."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    @property
    def input(self) -> torch.Tensor:
        """The first tensor."""
        return self.tensors[0]

    @property
    def output(self) -> torch.Tensor:
        """The first result."""
        return self.outputs[0]

    def dim(self, position: int, name: str, default: int = 0) -> int:
        """Returns an argument that is a dimension of the input, counted from the front."""
        return int(self.argument(position, name, default)) % max(self.input.dim(), 1)

    def reason(self, flow: ChannelFlow, what: str) -> str:
        """Returns why channels must stay: the operation, where it ran, on what shapes, and what it does."""
        title = self.name.strip("_").title().replace("_", "")
        shapes = [tensor.shape for tensor in self.tensors[:3]]
        return f"{flow.where(title, shapes)} {what}"

    def pin(self, flow: ChannelFlow, what: str, labels: Iterable[Labels] | None = None) -> None:
        """Pins the labels given, or those of all tensors that are read."""
        found = [flow.labels(tensor) for tensor in self.tensors] if labels is None else list(labels)
        if any(found):
            reason = self.reason(flow, what)
            for one in found:
                flow.pin(one, reason)

    def give(self, flow: ChannelFlow, labels: Labels) -> None:
        """Gives all results the same labels."""
        for output in self.outputs:
            flow.assign(output, labels)


Rule = Callable[[ChannelFlow, Call], None]
"""Says what the results' labels are and unites or pins the arguments'."""


def _tensors(tree: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor)]
