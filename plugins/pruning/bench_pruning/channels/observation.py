"""What one forward pass shows: which layer made which node of the autograd graph."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from bench_pruning.channels.layers import CHANNEL_LAYERS, MIXING_NORMS, keeps_batch_statistics

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from torch import nn


@dataclass
class Observation:
    """The graph of one forward pass.

    Attributes:
        layers: The layer whose output each node is. Holding the nodes keeps their identity.
        inner: Nodes inside a layer's own computation, which the layer answers for.
        results: Outputs of layers in the order of their calls.
        running: Paths of the modules entered and not yet left, outermost first.
        outputs: The network's outputs, and outputs of layers that nothing uses.
    """

    layers: dict[Any, nn.Module] = field(default_factory=dict)
    inner: set[Any] = field(default_factory=set)
    results: list[torch.Tensor] = field(default_factory=list)
    running: list[str] = field(default_factory=list)
    outputs: list[torch.Tensor] = field(default_factory=list)

    @contextmanager
    def hooks(self, model: nn.Module) -> Iterator[None]:
        """Watches the forward passes of `model` in the block."""
        handles: list[Any] = []
        for path, module in model.named_modules():
            handles.append(module.register_forward_pre_hook(lambda *_, path=path: self.running.append(path)))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def finish(self, outputs: Iterable[torch.Tensor]) -> list[torch.Tensor]:
        """Takes the network's outputs and adds those of layers whose result goes nowhere.

        Such a layer still reads channels, so it has to be part of the graph.
        """
        self.outputs = list(outputs)
        reached = ancestors(output.grad_fn for output in self.outputs)
        for result in reversed(self.results):
            if result.grad_fn not in reached:
                self.outputs.append(result)
                reached |= ancestors([result.grad_fn], reached)
        self.results.clear()
        return self.outputs

    def output_layers(self) -> set[nn.Module]:
        """Returns the layers whose channels reach an output without passing a further layer."""
        final = {node: layer for node, layer in self.layers.items() if isinstance(layer, CHANNEL_LAYERS)}
        nodes = ancestors((output.grad_fn for output in self.outputs), stop=final)
        return {final[node] for node in nodes if node in final}

    def _leave(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self.running.pop()
        watched = isinstance(module, (*CHANNEL_LAYERS, *MIXING_NORMS)) or keeps_batch_statistics(module)
        if not watched or not isinstance(output, torch.Tensor) or output.grad_fn is None:
            return
        sources = {tensor.grad_fn for tensor in inputs if isinstance(tensor, torch.Tensor)}
        self.inner |= ancestors([output.grad_fn], stop=sources) - sources
        self.layers[output.grad_fn] = module
        if isinstance(module, CHANNEL_LAYERS):
            self.results.append(output)


def ancestors(nodes: Iterable[Any], stop: Any = ()) -> set[Any]:
    """Returns the autograd nodes that `nodes` are computed from, themselves included.

    Args:
        nodes: Where to begin; `None` is skipped.
        stop: Nodes that are returned but not passed.
    """
    found: set[Any] = set()
    waiting = [node for node in nodes if node is not None]
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found.add(node)
        if node not in stop:
            waiting += [source for source, _ in node.next_functions if source is not None]
    return found
